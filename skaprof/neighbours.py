"""What stands beside a file or folder while it is written, and how it takes the place of the old one.

A neighbour is locked by the process that writes it. One that nobody has locked was left by a process that was killed:
the next one that writes there takes it away, or puts the old folder back.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from time import time
from zlib import crc32

from skaprof.locks import Held, take

_LONGEST_PREFIX = 40  # characters of a name in its neighbour's, which the system's limit then still fits
_OLD = ".old"
_YOUNGEST_LEFT = 1.0
"""Seconds: what is younger may be of a process that is about to lock it."""
_HERE = -100
"""AT_FDCWD of Linux: paths are as the working folder has them."""
_EXCHANGE = 2
"""RENAME_EXCHANGE of Linux's renameat2."""


def neighbour_of(target: Path) -> Path:
    """A hidden name beside the target's that nothing has."""
    return target.with_name(f"{_prefix(target)}{token_hex(4)}")


def _prefix(target: Path) -> str:
    """How the names of a target's neighbours begin, and of no other's: the mark tells names of one beginning apart."""
    return f".{target.name[:_LONGEST_PREFIX]}.skaprof-{crc32(os.fsencode(target.name)):08x}-"


def clear_away(target: Path) -> None:
    """Remove what killed processes left beside the target."""
    for path in _neighbours(target):
        with _left(path) as is_left:
            if is_left and path.is_dir():
                remove_folder(path)
            elif is_left:
                path.unlink(missing_ok=True)


def put_back(target: Path) -> None:
    """Where a process was killed after it had put the old folder aside, and before the new one took its place."""
    for path in _neighbours(target):
        if path.name.endswith(_OLD) and not target.exists():
            path.rename(target)


def _neighbours(target: Path) -> list[Path]:
    prefix = _prefix(target)
    with suppress(OSError):  # a folder that may be written, and not be listed
        return [target.with_name(name) for name in os.listdir(target.parent) if name.startswith(prefix)]
    return []


@contextmanager
def _left(path: Path) -> Iterator[bool]:
    """Whether no process has a neighbour any more; as long as this lasts, none other can take it for left."""
    if os.name != "posix":
        yield False
        return
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # it has gone, or is another user's
        yield False
        return
    try:
        yield time() - os.fstat(descriptor).st_ctime > _YOUNGEST_LEFT and take(descriptor)
    except Held:
        yield False
    finally:
        os.close(descriptor)


def exchange(fresh: Path, target: Path) -> None:
    """Two folders, each in the place of the other: in one step where the system can, else in three."""
    if _exchanged_at_once(fresh, target):
        return
    old = fresh.with_name(fresh.name + _OLD)
    try:
        target.rename(old)
        fresh.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        raise
    old.rename(fresh)


def _exchanged_at_once(fresh: Path, target: Path) -> bool:
    if sys.platform != "linux":
        return False
    with suppress(OSError, AttributeError):  # another C library
        from ctypes import CDLL

        done: int = CDLL(None).renameat2(_HERE, os.fsencode(fresh), _HERE, os.fsencode(target), _EXCHANGE)
        return done == 0
    return False


def remove_folder(folder: Path) -> None:
    """Remove a neighbour, if it is there; what interrupts this is told once it is gone."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
