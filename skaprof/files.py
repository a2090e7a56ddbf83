"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from errno import ENOENT
from pathlib import Path

from skaprof.errors import SkaprofError, bad_value, named, shown, shown_path
from skaprof.locks import Lock, take
from skaprof.neighbours import clear_away, exchange, neighbour_of, put_back, remove_folder


def require_writable(name: str, path: str) -> Path:
    """Where the file is to be, links followed; checked before any work. `name` is what the user knows the path by.

    Raises:
        SkaprofError: no file name that the system can encode, a folder, or a place that cannot be written.
    """
    if not path or path == "-" or "\0" in path:
        raise bad_value(name, path, "a file name")
    try:
        os.fsencode(path)
        return _writable(name, path)
    except UnicodeEncodeError:
        raise bad_value(name, path, "a file name that the system can encode") from None
    except OSError as error:  # a name too long, a loop of links
        raise bad_value(name, path, f"a file name that the system takes ({error.strerror})") from None


def _writable(name: str, path: str) -> Path:
    plain = Path(path)
    if plain.exists() and not plain.is_file() and not plain.is_dir():
        return plain  # a device or a pipe, by the name the user gave it
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise bad_value(name, path, "a file, and this is a folder")
    if not target.parent.is_dir():
        raise bad_value(name, path, f"a file in a folder that exists, and {shown(target.parent)} does not")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise bad_value(name, path, "a place that can be written")
    return target


def write_whole(name: str, path: str, chunks: Iterable[str | bytes], lock: Lock | None = None) -> None:
    """Write the file whole or not at all: into a neighbour first, which then takes its place.

    A link stays, and what it leads to is written; a file that was there leaves its permissions. Devices and pipes are
    written directly. What UTF-8 lacks is escaped as `encoded` has it. A `lock` on the file goes over to the new one.

    Raises:
        SkaprofError: it cannot be written; what stood there before still stands, and no neighbour is left.
    """
    target = require_writable(name, path)
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                stream.writelines(map(encoded, chunks))
            return
        _replace(target, chunks, lock)
    except OSError as error:
        raise unwritten(name, path, error) from None


def _replace(target: Path, chunks: Iterable[str | bytes], lock: Lock | None) -> None:
    clear_away(target)
    neighbour = neighbour_of(target)  # named before it is there: whatever interrupts this knows what to take away
    try:
        with open(neighbour, "xb", opener=_private) as stream:
            take(stream.fileno())
            stream.writelines(map(encoded, chunks))
            stream.flush()
            os.fsync(stream.fileno())
            os.chmod(neighbour, _mode_of(target))
            if lock is not None:
                lock.move_to(stream.fileno())
            os.replace(neighbour, target)
    except BaseException:
        neighbour.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    """Open a file that nobody else may read until it is whole."""
    return os.open(path, flags, 0o600)


def append(name: str, path: str, chunks: Iterable[str | bytes]) -> None:
    """Add to a file that is there, on the disk before this returns. All is encoded before the file is opened.

    Raises:
        SkaprofError: the file is gone, or cannot be written.
    """
    data = b"".join(map(encoded, chunks))
    try:
        if not os.path.exists(path):
            raise FileNotFoundError(ENOENT, "the file is gone")
        with open(os.open(path, os.O_WRONLY | os.O_APPEND), "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise unwritten(name, path, error) from None


def write_folder(
    name: str, path: str, files: Mapping[str, bytes], why_not: Callable[[Path], str | None] | None
) -> None:
    """Write a folder whole or not at all: into a neighbour first, then renamed; never old files beside new ones.

    Args:
        why_not: says why a folder that is there may not be replaced, None where it may; without it none may be, unless
            it is empty.

    Raises:
        SkaprofError: it cannot be written; what stood there before still stands.
    """
    target = Path(os.path.realpath(path))
    if not path or not target.parent.is_dir():
        raise bad_value(name, path, "a folder in a folder that exists")
    if target.exists() and not target.is_dir():
        raise bad_value(name, path, "a folder, and this is a file")
    try:
        put_back(target)
        if target.exists() and any(target.iterdir()):
            reason = why_not(target) if why_not else f"it is there already: {named('force')} replaces it"
            if reason:
                raise SkaprofError(f"{name}: {shown(path)} is not written: {reason}")
        _swap_in(target, files)
    except OSError as error:
        raise unwritten(name, path, error) from None


def _swap_in(target: Path, files: Mapping[str, bytes]) -> None:
    """A new folder in the place of `target`, which goes only once the new one stands whole beside it."""
    clear_away(target)
    fresh = neighbour_of(target)
    descriptor: int | None = None
    try:
        fresh.mkdir(mode=0o700)
        if os.name == "posix":
            descriptor = os.open(fresh, os.O_RDONLY)
            take(descriptor)
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        fresh.chmod(0o777 & ~_umask())
        if target.exists():
            exchange(fresh, target)  # which leaves the old folder under the new one's name
        else:
            fresh.rename(target)
    finally:
        remove_folder(fresh)
        if descriptor is not None:
            os.close(descriptor)


def encoded(chunk: str | bytes) -> bytes:
    """Text as UTF-8; what that lacks, half a pair from a file's name say, as the escape that JSON and Python read."""
    return chunk.encode("utf-8", "backslashreplace") if isinstance(chunk, str) else chunk


def unwritten(name: str, path: str, error: OSError) -> SkaprofError:
    """The error for a file or folder that the system does not let us write."""
    return SkaprofError(f"{name}: {shown_path(path)} cannot be written: {error.strerror}")


def _mode_of(target: Path) -> int:
    """The permissions of the file that is replaced, or what the user's umask gives a new one."""
    if target.exists():
        return target.stat().st_mode & 0o777
    return 0o666 & ~_umask()


def _umask() -> int:
    """The user's umask; there is no way to read it but to set it."""
    umask = os.umask(0)
    os.umask(umask)
    return umask
