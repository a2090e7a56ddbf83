"""TOML files that users write: read with the place of every key, so that an error names file, line and key."""

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from skaprof.errors import SkaprofError, bad_value, printable, shown_path
from skaprof.grids import MAX_SIZE

_HEADER = re.compile(r"\s*\[\[?\s*([\w.-]+)")
_SETTING = re.compile(r"""\s*["']?([\w-]+)["']?\s*[.=]""")


class TomlTable(NamedTuple):
    """One table of a file: the top one has no name; of several with one name, `place` counts from 0."""

    path: str
    text: str
    name: str
    place: int
    values: Mapping[str, Any]

    def label(self, key: str) -> str:
        """File, line and key, for the start of an error."""
        where = f"{self.name}.{key}" if self.name else key
        return f"{shown_path(self.path)}, line {_line_of(self, key)}: {where}"

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
            SkaprofError: it is none, or empty.
        """
        values = self.values.get(key)
        if not isinstance(values, list) or not values or not all(isinstance(value, dict) for value in values):
            raise SkaprofError(f"{self.label(key)}: expected one [[{key}]] table or more")
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
        if value not in words:
            raise bad_value(self.label(key), value, f"one of {', '.join(words)}", words)
        return str(value)

    def words(self, key: str, words: Sequence[str] = ()) -> tuple[str, ...]:
        """The list of words under this key, each one of `words` where they are given.

        Raises:
            SkaprofError: no list of texts, an empty one, or another word.
        """
        value = self.values[key]
        if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
            raise bad_value(self.label(key), value, 'a list of texts, such as ["one", "two"]')
        for word in value:
            if words and word not in words:
                raise bad_value(self.label(key), word, f"one of {', '.join(words)}", words)
        return tuple(dict.fromkeys(value))

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
        SkaprofError: it cannot be read, or is no TOML.
    """
    prefix = f"{option}: " if option else ""
    text = _text(path, prefix)
    try:
        return TomlTable(path, text, "", 0, tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise SkaprofError(f"{prefix}{shown_path(path)} is no TOML: {printable(error)}") from None


def _text(path: str, prefix: str) -> str:
    try:
        return Path(path).read_bytes().decode("utf-8")
    except OSError as error:
        raise SkaprofError(f"{prefix}{shown_path(path)} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SkaprofError(f"{prefix}{shown_path(path)} cannot be read: expected UTF-8 text") from None


def _line_of(table: TomlTable, key: str) -> int:
    """The line that sets the key of this table; where it is missing or inline, the line that names the table."""
    current, named, headers = "", 1, Counter[str]()
    for number, line in enumerate(table.text.splitlines(), start=1):
        header, setting = _HEADER.match(line), _SETTING.match(line)
        if header:
            current = header[1]
            headers[current] += 1
        sets = setting[1] if setting else ""
        is_here = current == table.name and headers[current] in (0, table.place + 1)
        if (is_here and sets == key) or (header and not table.name and current.partition(".")[0] == key):
            return number
        if (header and is_here) or (not current and sets == table.name):
            named = number
    return named
