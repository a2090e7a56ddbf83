"""TOML files that users write: read with the place of every key, so that an error names file, line and key."""

import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, bad_value, printable, shown_path
from skaprof.grids import MAX_SIZE
from skaprof.inputs import read_text
from skaprof.words import meant

_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)")
_SETTING = re.compile(r"""\s*["']?([\w-]+)["']?\s*[.=]""")
_DEEPEST = 32
"""Most parts of a dotted key, and most tables or lists in each other: Python's parser needs their square in memory."""
_LARGEST = 2**63
"""Whole numbers are below this, as TOML has them: beyond, Python may not even print them."""
_NUMBERS = "expected whole numbers of at most 64 bits"
_MOST_TABLES = 1000
"""Most tables of one name."""
_LONGEST_REASON = 300
_STRING = re.compile(
    r'''"""(?:[^\\]|\\.)*?(?:"{3,5}|\Z)|\'{3}.*?(?:\'{3,5}|\Z)|"(?:[^"\\\n]|\\[^\n])*+"?|\'[^\'\n]*\'?|#[^\n]*''',
    re.DOTALL,
)
"""A text or a comment, to its end or as far as it could reach."""
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{_DEEPEST}}}")


def toml_text(value: str) -> str:
    """A text as TOML has it, without what cannot be printed, quotes and backslashes."""
    kept = "".join(mark for mark in value if mark.isprintable() and mark not in '"\\')
    return f'"{kept}"'


class TomlTable(NamedTuple):
    """One table of a file: the top one has no name; of several with one name, `place` counts from 0."""

    path: str
    text: str
    places: "_Places"
    name: str
    place: int
    values: Mapping[str, Any]

    def label(self, key: str) -> str:
        """File, line and key, for the start of an error."""
        where = f"{self.name}.{key}" if self.name else key
        line = self.places.line(self.name, self.place, key)
        return f"{shown_path(self.path)}, line {line}: {printable(where)}"

    def require_keys(self, known: Sequence[str]) -> None:
        """Raise unless every key is one of `known`.

        Raises:
            SkaprofError: another key.
        """
        for key in self.values:
            if key not in known:
                raise bad_value(self.label(key), key, f"one of {', '.join(known)}", known)

    def table(self, key: str, known: Sequence[str]) -> "TomlTable":
        """The table under this key, with keys from `known` alone.

        Raises:
            SkaprofError: it is none, or has another key.
        """
        values = self.values[key]
        if not isinstance(values, dict):
            raise bad_value(self.label(key), values, f"a table with {', '.join(known)}")
        table = self._replace(name=key, values=values)
        table.require_keys(known)
        return table

    def tables(self, key: str) -> "list[TomlTable]":
        """The array of tables under this key.

        Raises:
            SkaprofError: it is none, empty, or has too many.
        """
        values = self.values.get(key)
        if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
            raise SkaprofError(f"{self.label(key)}: expected one [[{key}]] table or more")
        if len(values) > _MOST_TABLES:
            raise SkaprofError(
                f"{self.label(key)}: {len(values):,} [[{key}]] tables: expected at most {_MOST_TABLES:,}"
            )
        return [self._replace(name=key, place=place, values=value) for place, value in enumerate(values)]

    def count(self, key: str, least: int = 1, most: int = MAX_SIZE) -> int:
        """The whole number under this key.

        Raises:
            SkaprofError: it is none from `least` to `most`.
        """
        value = self.values[key]
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise bad_value(self.label(key), value, f"a whole number from {least} to {most:,}")
        return value

    def number(self, key: str, least: float, most: float) -> float:
        """The number under this key.

        Raises:
            SkaprofError: it is none from `least` to `most`.
        """
        value = self.values[key]
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise bad_value(self.label(key), value, f"a number from {least:g} to {most:g}")
        return float(value)

    def flag(self, key: str) -> bool:
        """The boolean under this key.

        Raises:
            SkaprofError: it is none.
        """
        value = self.values[key]
        if not isinstance(value, bool):
            raise bad_value(self.label(key), value, "true or false")
        return value

    def word(self, key: str, words: Sequence[str]) -> str:
        """The word under this key, one of `words`.

        Raises:
            SkaprofError: another.
        """
        value = self.values[key]
        found = meant(value, words) if isinstance(value, str) else value
        if found not in words:
            raise bad_value(self.label(key), value, f"one of {', '.join(words)}", words)
        return str(found)

    def words(self, key: str, words: Sequence[str] = ()) -> tuple[str, ...]:
        """The list of words under this key, each one of `words` where they are given.

        Raises:
            SkaprofError: no list of texts, an empty one, or another word.
        """
        value = self.values[key]
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise bad_value(self.label(key), value, 'a list of texts, such as ["one", "two"]')
        found = [meant(word, words) for word in value]
        for word in found:
            if words and word not in words:
                raise bad_value(self.label(key), word, f"one of {', '.join(words)}", words)
        return tuple(dict.fromkeys(found))

    def sentence(self, key: str) -> str:
        """The text under this key.

        Raises:
            SkaprofError: no text, or a blank one.
        """
        value = self.values[key]
        if not isinstance(value, str) or not value.strip():
            raise bad_value(self.label(key), value, "a text")
        return value


def read_toml(path: str, option: str | None = None) -> TomlTable:
    """The top table of a file that `option` names.

    Raises:
        SkaprofError: it cannot be read, is no TOML, or holds a key, a nesting or a number beyond any use.
    """
    text = read_text(path, option)
    where = f"{option}: {shown_path(path)}" if option else shown_path(path)
    if _LONG_KEY.search(_STRING.sub("text", text)):
        raise SkaprofError(f"{where}: a key of more than {_DEEPEST} parts: expected fewer")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SkaprofError(f"{where} is no TOML: {printable(error)[:_LONGEST_REASON]}") from None
    except (ValueError, RecursionError):  # Python's own limits, on the digits of a number and on brackets
        raise SkaprofError(f"{where} is no TOML: {_NUMBERS}, and lists at most {_DEEPEST} deep") from None
    if trouble := _beyond_use(values):
        raise SkaprofError(f"{where}: {trouble}")
    return TomlTable(path, text, _Places(text), "", 0, values)


def _beyond_use(values: Mapping[str, Any]) -> str | None:
    """Why the values are none that anybody means: too deep in each other, or a number that cannot even be printed."""
    level: list[Any] = [values]
    for _ in range(_DEEPEST):
        level = [part for value in level for part in _parts(value)]
        if any(isinstance(value, int) and not -_LARGEST <= value < _LARGEST for value in level):
            return _NUMBERS
        if not level:
            return None
    return f"tables or lists more than {_DEEPEST} deep: expected fewer"


def _parts(value: Any) -> Sequence[Any]:
    """What a table or a list holds."""
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else ()


class _Places:
    """Which line of a file sets which key, looked up once an error needs it, in one walk through the file."""

    def __init__(self, text: str) -> None:
        self.text = text

    def line(self, name: str, place: int, key: str) -> int:
        """The line that sets the key of this table; where it is missing or inline, the line that names the table."""
        settings, headers, firsts = self._found
        if not name:
            return settings[name, 0].get(key) or firsts.get(key, 1)
        return settings[name, place].get(key) or headers.get((name, place)) or settings["", 0].get(name, 1)

    @cached_property
    def _found(self) -> tuple[dict[tuple[str, int], dict[str, int]], dict[tuple[str, int], int], dict[str, int]]:
        """The line of each key of each (table, place), of each table's header, and of the first header below a name."""
        settings: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)
        headers: dict[tuple[str, int], int] = {}
        firsts: dict[str, int] = {}
        seen, current = Counter[str](), ("", 0)
        for number, line in enumerate(self.text.split("\n"), start=1):
            if header := _HEADER.match(line):
                name = header[1]
                current = (name, seen[name])
                seen[name] += 1
                headers[current] = number
                firsts.setdefault(name.partition(".")[0], number)
            elif setting := _SETTING.match(line):
                settings[current].setdefault(setting[1], number)
        return settings, headers, firsts
