"""Measured rows in a JSON-lines file: a header, then each row as soon as it is measured, so that a crash loses none."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skaprof.errors import SkaprofError, named, shown, shown_path
from skaprof.files import append, unwritten, write_whole
from skaprof.foreign_code import SOURCE_KEYS
from skaprof.results import SCHEMA_VERSION
from skaprof.saved import read_results

Row = dict[str, Any]


def header(command: str, environment: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The first line: the envelope of the JSON format without its rows, and the settings of the run."""
    return {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "environment": dict(environment),
        "settings": dict(settings),
    }


class Store:
    """An open JSON-lines file. Each line is flushed to the disk before the next measurement starts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def start(self, head: Mapping[str, Any]) -> None:
        """Begin the file with its header.

        Raises:
            SkaprofError: it cannot be written.
        """
        write_whole(named("output"), str(self.path), [_line(head)])

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows.

        Raises:
            SkaprofError: they cannot be written, the file's folder has gone, say.
        """
        append(named("output"), str(self.path), map(_line, rows))

    def rewrite(self, rows: Sequence[Row]) -> None:
        """All rows anew under the header that is there, whole or not at all.

        Raises:
            SkaprofError: as `append`.
        """
        try:
            with self.path.open(encoding="utf-8") as stream:
                head = stream.readline()
        except OSError as error:
            raise unwritten(named("output"), str(self.path), error) from None
        write_whole(named("output"), str(self.path), [head, *map(_line, rows)])

    def truncate_to(self, good_bytes: int) -> None:
        """Cut off a damaged last line."""
        with self.path.open("r+b") as stream:
            stream.truncate(good_bytes)


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


def read(path: Path) -> tuple[dict[str, Any], list[Row], int, bool]:
    """The header and the good rows of a file, how many bytes they take, and whether a damaged last line follows.

    Raises:
        SkaprofError: no such file, or it is not one of ours, or it is damaged before its last line.
    """
    saved = read_results(path, named("resume"))
    if saved.settings is None or "timing" not in saved.settings:
        raise SkaprofError(f"{named('resume')}: {shown_path(path)} is no file of `skaprof latency --output FILE.jsonl`")
    if saved.good_bytes is None:
        raise SkaprofError(
            f"{named('resume')}: {shown_path(path)} is not in plain UTF-8: expected it as skaprof wrote it"
        )
    head = header(saved.command, saved.environment, saved.settings)
    return head, list(map(dict, saved.rows)), saved.good_bytes, saved.warning is not None


def require_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    """Raise unless a file's header agrees with this run's in device and settings.

    Raises:
        SkaprofError: naming what differs.
    """
    pairs = [(key, found["environment"].get(key), wanted["environment"].get(key)) for key in keys]
    pairs += [(key, found["settings"].get(key), value) for key, value in wanted["settings"].items()]
    for key, theirs, ours in pairs:
        if theirs != ours:
            raise SkaprofError(
                f"{named('resume')}: {shown_path(path)} was measured with {key} {theirs!r}: expected {ours!r}"
            )


def require_same_sources(path: Path, found: Sequence[Row], wanted: Sequence[Row]) -> None:
    """Raise unless a file's rows of a user's module, or of a file's backbone, are of the one that this run names.

    Raises:
        SkaprofError: it was given other arguments, or its file has changed.
    """
    ours = {_named(row): row for row in wanted}
    for row in found:
        same = ours.get(_named(row), row)
        for key in SOURCE_KEYS:
            if row.get(key) == same.get(key):
                continue
            expected = f"{shown(same.get(key))}, as this run has"
            said = f" with the {key} {shown(row.get(key))}: expected {expected}"
            if key == "source_hash":
                said = ", whose file has changed since: expected the same"
            times = f"{shown_path(path)} has times of {_named(row)}"
            raise SkaprofError(f"{named('resume')}: {times}{said}; write to another {named('output')}")


def _named(row: Row) -> str:
    return str(row.get("model") or row["mixer"])
