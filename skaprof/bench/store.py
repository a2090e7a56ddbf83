"""Measured rows in a JSON-lines file: a header, then each row as soon as it is measured, so that a crash loses none."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from skaprof.errors import SkaprofError, named, shown, shown_path
from skaprof.files import append, require_writable, unwritten, write_whole
from skaprof.foreign_code import SOURCE_KEYS
from skaprof.locks import Held, Lock
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


def lines_of_results(
    command: str, environment: Mapping[str, Any], settings: Mapping[str, Any], rows: Sequence[Row]
) -> list[str]:
    """The lines of a whole file."""
    return [_line(header(command, environment, settings)), *map(_line, rows)]


class Store:
    """An open JSON-lines file. Each line is flushed to the disk before the next measurement starts.

    One process at a time has it, from `start` or `go_on` to `close`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Lock | None = None
        self._head: list[str] = []
        """The header of rows that take the place of a file, which stands until there are some."""

    def start(self, head: Mapping[str, Any], *, force: bool = False) -> None:
        """Begin the file with its header.

        Args:
            force: where a file is there already, replace it, by the header and the first rows at once.

        Raises:
            SkaprofError: it cannot be written, another process writes it, or it is there already.
        """
        target = require_writable(named("output"), str(self.path))
        if target.exists() and not target.is_file():  # a device
            append(named("output"), str(self.path), [_line(head)])
            return
        is_new = _create(target)
        try:
            self._lock = _locked(self.path, "output")
            if target.stat().st_size == 0:
                append(named("output"), str(self.path), [_line(head)])
                return
        except BaseException:
            if is_new and target.stat().st_size == 0:
                target.unlink()
            self.close()
            raise
        if not force:
            self.close()
            raise _is_there(self.path)
        self._head = [_line(head)]

    def go_on(self) -> None:
        """Take the file that is there as one's own.

        Raises:
            SkaprofError: another process writes it, or it cannot be written.
        """
        self._lock = _locked(self.path, "resume")

    def append(self, rows: Sequence[Row]) -> None:
        """Add rows.

        Raises:
            SkaprofError: they cannot be written, the file's folder has gone, say.
        """
        if self._head:
            self._replace([*self._head, *map(_line, rows)])
        else:
            append(named("output"), str(self.path), map(_line, rows))

    def rewrite(self, rows: Sequence[Row], environment: Mapping[str, Any] | None = None) -> None:
        """All rows anew under the header that is there, of this environment if one is given, whole or not at all.

        Raises:
            SkaprofError: as `append`.
        """
        (head,) = self._head or [self._first_line()]
        if environment is not None:
            head = _line(json.loads(head) | {"environment": dict(environment)})
        self._replace([head, *map(_line, rows)])

    def _replace(self, lines: Sequence[str]) -> None:
        write_whole(named("output"), str(self.path), lines, self._lock)
        self._head = []

    def _first_line(self) -> str:
        try:
            with self.path.open(encoding="utf-8") as stream:
                return stream.readline()
        except OSError as error:
            raise unwritten(named("output"), str(self.path), error) from None

    def close(self) -> None:
        """Let others write the file."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def truncate_to(self, good_bytes: int) -> None:
        """Cut off a damaged last line."""
        with self.path.open("r+b") as stream:
            stream.truncate(good_bytes)


def require_free(output: str | None, resume: str | None, *, force: bool, resumes: bool = True) -> None:
    """What `Store` would refuse, told before any work is done. `resumes` says whether a file can be gone on with.

    Raises:
        SkaprofError: another process writes the file, or one is there that is neither gone on with nor replaced.
    """
    if resume is not None and force:
        raise SkaprofError(f"{named('force')} replaces a file, and {named('resume')} goes on with one: expected one")
    path, parameter = (output, "output") if resume is None else (resume, "resume")
    if path is None or not os.path.isfile(path):
        return
    _locked(Path(path), parameter).release()
    if resume is None and not force and os.path.getsize(path):
        raise _is_there(Path(path), resumes=resumes)


def _locked(path: Path, parameter: str) -> Lock:
    try:
        return Lock(path)
    except Held as error:
        raise SkaprofError(
            f"{named(parameter)}: {shown_path(path)} is being written by {error.by}: expected a file of its own for "
            "each run"
        ) from None
    except OSError as error:
        raise unwritten(named(parameter), str(path), error) from None


def _create(target: Path) -> bool:
    """Make an empty file, which can be locked; whether there was none."""
    try:
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritten(named("output"), str(target), error) from None
    return True


def _is_there(path: Path, *, resumes: bool = True) -> SkaprofError:
    to_go_on = f"{named('resume')} with it to go on, " if resumes else ""
    return SkaprofError(
        f"{named('output')}: {shown_path(path)} is there already: expected {to_go_on}{named('force')} to replace it, "
        "or another file"
    )


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False) + "\n"


def read(path: Path, setting: str = "timing", command: str = "latency") -> tuple[dict[str, Any], list[Row], int, bool]:
    """The header and the good rows of a file, how many bytes they take, and whether a damaged last line follows.

    Args:
        setting: what the header's settings have that another command's have not; `command` is the one that wrote it.

    Raises:
        SkaprofError: no such file, or it is not one of ours, or it is damaged before its last line.
    """
    saved = read_results(path, named("resume"))
    if saved.settings is None or setting not in saved.settings:
        raise SkaprofError(f"{named('resume')}: {shown_path(path)} is no JSON lines file of skaprof {command}")
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
    if (theirs := found["settings"].get("shard")) != (ours := wanted["settings"].get("shard")):
        there, here = (f"of {named('shard')} {shown(each)}" if each else "of all" for each in (theirs, ours))
        raise SkaprofError(f"{named('resume')}: {shown_path(path)} is {there}, and this run {here}: expected the same")
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
