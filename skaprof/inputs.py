"""Files that users name, read whole: regular ones or standard input, up to a size, in UTF-8 or UTF-16."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from pathlib import Path

from skaprof.errors import SkaprofError, shown_path

MIB = 2**20
MOST_TEXT = MIB
"""Bytes of a file that a person writes."""
MOST_RESULTS = 32 * MIB
"""Bytes of a file of results: two of them are compared within 10 s and 1 GiB."""
STDIN = "-"
"""What a user writes for standard input."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: str | Path, option: str | None = None, most: int = MOST_TEXT) -> str:
    """The text of the file that `option` names.

    Raises:
        SkaprofError: as `read_data`, or it is no text.
    """
    data = read_data(path, option, most)
    try:
        return data.decode(encoding_of(data))
    except UnicodeDecodeError:
        raise _error(option, path, "cannot be read: expected UTF-8 text") from None


def encoding_of(data: bytes) -> str:
    """The encoding that a text's first bytes say; UTF-8 where they say none."""
    return "utf-16" if data.startswith(_UTF16) else "utf-8-sig"


def read_data(path: str | Path, option: str | None = None, most: int = MOST_RESULTS) -> bytes:
    """The bytes of the file that `option` names, `-` being standard input.

    Raises:
        SkaprofError: it cannot be opened, is a pipe or a device, which may never end, or has more than `most` bytes.
    """
    try:
        data = sys.stdin.buffer.read(most + 1) if str(path) == STDIN else _read(path, most)
    except OSError as error:
        raise _error(option, path, f"cannot be read: {error.strerror}") from None
    except ValueError:  # a name with a null byte in it
        raise _error(option, path, "cannot be read: expected a file name") from None
    if data is None:
        raise _error(option, path, "is no regular file: expected one, or - for standard input")
    if len(data) > most:
        raise _error(option, path, f"is too long: expected at most {most // MIB:,} MiB")
    return data


def _read(path: str | Path, most: int) -> bytes | None:
    """Up to one byte more than `most`; None where the file is neither regular nor standard input."""
    descriptor = os.open(
        path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    )  # no wait for a pipe
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(0, "Is a directory")
        if stat.S_ISREG(status.st_mode):
            return stream.read(most + 1)
    if os.path.samestat(status, os.fstat(0)):
        return sys.stdin.buffer.read(most + 1)
    return None


def _error(option: str | None, path: str | Path, what: str) -> SkaprofError:
    prefix = f"{option}: " if option else ""
    return SkaprofError(f"{prefix}{shown_path(path)} {what}")
