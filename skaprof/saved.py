"""Results files read back: the JSON envelope of any command, and the JSON lines that `skaprof latency` saves.

Each row is checked as the record of its kind, so that whatever reads a file need not ask again.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skaprof.errors import SkaprofError, shown_path
from skaprof.inputs import encoding_of, read_data
from skaprof.measured import MeasuredRow
from skaprof.records import Record
from skaprof.results import SCHEMA_VERSION, ResultRow
from skaprof.schema import row_from
from skaprof.where import processors_of, told_apart

_MOST_OBJECTS = 500_000  # a file as long as may be has a fifth of these if its rows are a command's
_EXPECTED = "expected what a skaprof command writes as JSON or JSON lines"


@dataclass(frozen=True, slots=True)
class SavedResults:
    """A results file: its rows as written, and as records, those of kinds that this program knows.

    `settings` is None where the command has none.
    `good_bytes` is how much of the file could be read, None where it is not in plain UTF-8, as skaprof writes it; where
    the last line was cut off, `warning` says so, else None.
    """

    path: str
    schema_version: int
    command: str
    environment: Mapping[str, Any]
    settings: Mapping[str, Any] | None
    rows: tuple[Mapping[str, Any], ...]
    records: tuple[Record, ...]
    good_bytes: int | None
    warning: str | None = None

    @property
    def costs(self) -> list[ResultRow]:
        """The rows of costs and times."""
        return [row for row in self.records if isinstance(row, ResultRow)]

    @property
    def measured(self) -> list[MeasuredRow]:
        """The rows that were timed."""
        return [row for row in self.records if isinstance(row, MeasuredRow)]


def read_results(path: str | Path, option: str) -> SavedResults:
    """The results in a file, JSON or JSON lines as its content says; a cut last line of the latter is tolerated.

    Raises:
        SkaprofError: it cannot be read, is no results file, is damaged, or is of another schema version. The message
            starts with `option` and names the file, and the line where there is one.
    """
    return _Reader(str(path), option).read()


def several(files: Sequence[SavedResults]) -> list[SavedResults]:
    """The files; where they are of several processors, each of these is told by its model in the records of all."""
    processors = {name for saved in files for name in processors_of(saved.rows, saved.environment)}
    if len(processors) < 2:
        return list(files)
    return [
        replace(
            saved, records=tuple(filter(None, map(row_from, told_apart(saved.rows, saved.environment, processors))))
        )
        for saved in files
    ]


@dataclass(frozen=True, slots=True)
class _Reader:
    path: str
    option: str

    def read(self) -> SavedResults:
        data, is_plain = self._bytes()
        found = self._read(data)
        return found if is_plain else replace(found, good_bytes=None)

    def _read(self, data: bytes) -> SavedResults:
        if not data.strip():
            raise self._error(f"is empty: {_EXPECTED}")
        if data.count(b"{") + data.count(b"[") > _MOST_OBJECTS:
            raise self._error(f"is too much: expected at most {_MOST_OBJECTS:,} objects and lists")
        first, *_ = lines = data.splitlines(keepends=True)
        head = _parsed(first)
        if isinstance(head, dict) and "rows" not in head:
            return self._from_lines(head, lines)
        document = self._document(data)
        if not isinstance(document, dict) or not isinstance(document.get("rows"), list):
            raise self._error(f"has no rows: {_EXPECTED}")
        rows = ((f"row {number}", row) for number, row in enumerate(document["rows"], start=1))
        return self._results(document, rows, len(data))

    def _bytes(self) -> tuple[bytes, bool]:
        """The file in plain UTF-8, and whether it was so."""
        data = read_data(self.path, self.option)
        if not data.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return data, True
        try:
            return data.decode(encoding_of(data)).encode(), False
        except UnicodeDecodeError:
            raise self._error("is damaged: expected UTF-8 text") from None

    def _document(self, data: bytes) -> Any:
        try:
            return json.loads(data.decode("utf-8"))
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self._error(f"is damaged in line {line}: expected UTF-8 text") from None
        except json.JSONDecodeError as error:
            where = f"line {error.lineno}, column {error.colno}"
            raise self._error(f"is damaged in {where}: expected JSON ({error.msg})") from None
        except (ValueError, RecursionError):  # a number of thousands of digits, thousands of brackets
            raise self._error(f"cannot be read as JSON: {_EXPECTED}") from None

    def _from_lines(self, head: dict[str, Any], lines: Sequence[bytes]) -> SavedResults:
        rows: list[tuple[str, Any]] = []
        good, warning = len(lines[0]), None
        for number, line in enumerate(lines[1:], start=2):
            row = _parsed(line) if line.endswith(b"\n") else None
            if row is None and number == len(lines):
                warning = f"{shown_path(self.path)}: its last line, {number}, was cut off and is left out"
                break
            if row is None:
                raise self._error(f"is damaged in line {number}: expected a JSON object")
            rows.append((f"line {number}", row))
            good += len(line)
        return self._results(head, iter(rows), good, warning)

    def _results(
        self, head: Mapping[str, Any], rows: Iterator[tuple[str, Any]], good: int, warning: str | None = None
    ) -> SavedResults:
        version = head.get("schema_version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise self._error(f"has no schema_version: {_EXPECTED}")
        if version != SCHEMA_VERSION:
            raise self._error(f"has schema version {version}: expected {SCHEMA_VERSION}")
        environment, settings = head.get("environment"), head.get("settings")
        if not isinstance(head.get("command"), str) or not isinstance(environment, dict):
            raise self._error(f"has no command or environment: {_EXPECTED}")
        if not isinstance(environment.get("device"), str | None):
            raise self._error("has no name as environment.device: expected a string or null")
        if not isinstance(settings, dict | None):
            raise self._error("has settings that are no object")
        written = tuple(rows)
        for where, row in written:
            if not isinstance(row, dict):
                raise self._error(f"{where}: expected a JSON object")
        plain = [row for _, row in written]
        apart = told_apart(plain, environment, processors_of(plain, environment))
        records = filter(None, (self._record(where, row) for (where, _), row in zip(written, apart, strict=True)))
        return SavedResults(
            self.path,
            version,
            head["command"],
            environment,
            settings,
            tuple(row for _, row in written),
            tuple(records),
            good,
            warning,
        )

    def _record(self, where: str, row: Mapping[str, Any]) -> Record | None:
        try:
            return row_from(row)
        except SkaprofError as error:
            raise self._error(f"{where}: {error.message}") from None

    def _error(self, what: str) -> SkaprofError:
        return SkaprofError(f"{self.option}: {shown_path(self.path)} {what}")


def _parsed(line: bytes) -> dict[str, Any] | None:
    """The line's JSON object; None for anything else."""
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
