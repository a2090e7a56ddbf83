"""Who writes a file: one process at a time, by a lock of the system's that ends with its holder, whatever ends that.

The lock is on the file itself: nothing lies beside it that a killed process could leave. Where the system has no such
lock (Windows, some network folders), none is taken.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

try:
    from fcntl import LOCK_EX, LOCK_NB, flock

    HAS_LOCKS = True
except ModuleNotFoundError:  # pragma: no cover  # Windows
    HAS_LOCKS = False

_LOCKS = Path("/proc/locks")
_OWNER = re.compile(r"^\d+: FLOCK +\S+ +\S+ +(?P<process>\d+) \S+:(?P<inode>\d+) ", re.MULTILINE)
_START_TIME = 21 - 2
"""Place of the start time in /proc/PID/stat, after the name in brackets."""


class Held(Exception):  # noqa: N818  # a state, which the caller makes an error of the option's
    """Another process has the lock; `by` says which, as far as the system tells."""

    def __init__(self, by: str) -> None:
        super().__init__(by)
        self.by = by


class Lock:
    """The lock on the file of a path, kept while files take each other's place there."""

    def __init__(self, path: str | Path) -> None:
        """Take the lock on a file that is there.

        Raises:
            Held: another process has it.
            OSError: the file cannot be opened.
        """
        self._descriptor: int | None = None
        while HAS_LOCKS and not self._is_on(path):
            self.release()
            self._descriptor = os.open(path, os.O_RDWR)
            take(self._descriptor)

    def _is_on(self, path: str | Path) -> bool:
        """Whether what was locked still is the file of that name: another may have taken its place meanwhile."""
        return self._descriptor is not None and os.path.samestat(os.fstat(self._descriptor), os.stat(path))

    def move_to(self, descriptor: int) -> None:
        """Lock another open file, which is about to take the place of the one that is locked."""
        if HAS_LOCKS:
            take(descriptor)
            before, self._descriptor = self._descriptor, os.dup(descriptor)
            if before is not None:
                os.close(before)

    def release(self) -> None:
        """Let others have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.release()


def take(descriptor: int) -> bool:
    """Lock an open file until it is closed; False where the file system has no locks.

    Raises:
        Held: another process has it.
    """
    if not HAS_LOCKS:
        return False
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        raise Held(_owner(os.fstat(descriptor).st_ino)) from None
    except OSError:
        return False
    return True


def _owner(inode: int) -> str:
    """Who has the lock, in words; Linux tells the process, and when it started."""
    with suppress(OSError, IndexError, ValueError):
        found = [int(match["process"]) for match in _OWNER.finditer(_LOCKS.read_text()) if int(match["inode"]) == inode]
        if found:
            since = datetime.fromtimestamp(_started(found[0])).astimezone()
            return f"process {found[0]} on {os.uname().nodename}, since {since:%Y-%m-%d %H:%M:%S %z}"
    return "another process"


def _started(process: int) -> float:
    """When a process of this machine started, in seconds of Unix time."""
    ticks = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[_START_TIME])
    booted = re.search(r"^btime (\d+)", Path("/proc/stat").read_text(), re.MULTILINE)
    return (int(booted[1]) if booted else 0) + ticks / os.sysconf("SC_CLK_TCK")
