"""Where a command's text and files go: stdout, stderr, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from skaprof.errors import EXIT_BROKEN_PIPE, SkaprofError, bad_value, shown, shown_path
from skaprof.report.formats import ENDINGS
from skaprof.workload import check_choice

PLOT_ENDINGS = (".png", ".svg")


def emit(chunks: Iterable[str]) -> None:
    """Write to stdout; a reader that closed it early (`| head`) ends the program quietly, with exit code 141."""
    try:
        for chunk in chunks:
            sys.stdout.write(chunk)
        sys.stdout.flush()
    except BrokenPipeError:
        abandon_stdout()
        raise SystemExit(EXIT_BROKEN_PIPE) from None
    except OSError as error:
        abandon_stdout()
        raise SkaprofError(f"stdout: cannot be written: {error.strerror}") from None


def deliver(text: Iterable[str], output: str | None) -> None:
    """Write to the file of --output, and say so, or to stdout.

    Raises:
        SkaprofError: it cannot be written.
    """
    if output is None:
        emit(text)
    else:
        write_whole("--output", output, text)
        say(f"wrote {output}")


def abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter does not try to flush it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(message: str) -> None:
    """A message for the person at the terminal, on stderr."""
    print(message, file=sys.stderr, flush=True)


def suffix_of(option: str, path: str, endings: Iterable[str]) -> str:
    """The path's lower-case ending, one of `endings`.

    Raises:
        SkaprofError: another ending.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in endings:
        raise bad_value(option, path, f"a file name ending in {', '.join(endings)}")
    return suffix


def require_writable(option: str, path: str) -> Path:
    """The path, checked before any work: its folder exists and can be written, and it is no folder itself.

    Raises:
        SkaprofError: it cannot be written.
    """
    if not path or path == "-" or "\0" in path:
        raise bad_value(option, path, "a file name; leave the option out for stdout")
    try:
        return _writable(option, path)
    except OSError as error:  # a name too long, a loop of links
        raise bad_value(option, path, f"a file name that the system takes ({error.strerror})") from None


def _writable(option: str, path: str) -> Path:
    plain = Path(path)
    if plain.exists() and not plain.is_file() and not plain.is_dir():
        return plain  # a device or a pipe, by the name the user gave it
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise bad_value(option, path, "a file, and this is a folder")
    if not target.parent.is_dir():
        raise bad_value(option, path, f"a file in a folder that exists, and {shown(target.parent)} does not")
    if not os.access(target if target.exists() else target.parent, os.W_OK):
        raise bad_value(option, path, "a place that can be written")
    return target


def format_of(format: str | None, output: str | None, formats: tuple[str, ...]) -> str:
    """The format asked for, one of `formats`, or that of the output file's ending, or a table.

    Raises:
        SkaprofError: an unknown format, an ending that names none, or one that names another format.
    """
    if format is not None:
        _require_agreement(check_choice("--format", format, formats), output)
        return format
    return ENDINGS[suffix_of("--output", output, ENDINGS)] if output is not None else "table"


def _require_agreement(format: str, output: str | None) -> None:
    ending = Path(output or "").suffix.lower()
    named = ENDINGS.get(ending, format)
    if named not in (format, "json" if format == "bmf" else format):  # Bencher's format is JSON
        raise SkaprofError(
            f"--format: {shown(format)} is not what --output {shown_path(output)} ends in: "
            f"expected {named}, which {ending} stands for, or another ending"
        )


def _require_distinct(paths: Iterable[str]) -> None:
    """Raise unless every path is a file of its own.

    Raises:
        SkaprofError: two are; the second would replace the first.
    """
    seen: set[str] = set()
    for path in paths:
        real = os.path.realpath(path)
        if real in seen:
            raise SkaprofError(
                f"--output and --plot: {shown(path)} is named twice: expected a file of its own for each"
            )
        seen.add(real)


def require_destinations(output: str | None, plots: Iterable[str]) -> None:
    """Raise unless --output and every --plot can be written, each to a file of its own.

    Raises:
        SkaprofError: one cannot, or a plot's ending is none of `PLOT_ENDINGS`.
    """
    if output is not None:
        require_writable("--output", output)
    for path in plots:
        suffix_of("--plot", path, PLOT_ENDINGS)
        require_writable("--plot", path)
    _require_distinct([*([output] if output is not None else []), *plots])


def draw(paths: Iterable[str], image: Callable[[str], bytes]) -> None:
    """Write to each file of --plot what `image` makes of its ending, and say so.

    Raises:
        SkaprofError: it cannot be drawn, or not be written.
    """
    for path in paths:
        write_whole("--plot", path, [image(suffix_of("--plot", path, PLOT_ENDINGS))])
        say(f"wrote {path}")


def write_whole(option: str, path: str, chunks: Iterable[str | bytes]) -> None:
    """Write the file whole or not at all: into a neighbour first, then renamed. Devices and pipes are written directly.

    Raises:
        SkaprofError: it cannot be written; what stood there before still stands.
    """
    from tempfile import NamedTemporaryFile

    target = require_writable(option, path)
    try:
        if target.exists() and not target.is_file():
            with target.open("wb") as stream:
                stream.writelines(map(_encoded, chunks))
            return
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name[:40]}.", delete=False) as stream:
            try:
                stream.writelines(map(_encoded, chunks))
                stream.flush()
                os.fsync(stream.fileno())
                os.chmod(stream.name, _mode_of(target))
                os.replace(stream.name, target)
            except BaseException:
                os.unlink(stream.name)
                raise
    except OSError as error:
        raise SkaprofError(f"{option}: {shown(path)} cannot be written: {error.strerror}") from None


def write_folder(
    option: str, path: str, files: Mapping[str, bytes], why_not: Callable[[Path], str | None] | None
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
        raise bad_value(option, path, "a folder in a folder that exists")
    if target.exists() and not target.is_dir():
        raise bad_value(option, path, "a folder, and this is a file")
    if target.exists() and any(target.iterdir()):
        reason = why_not(target) if why_not else "it is there already: --force replaces it"
        if reason:
            raise SkaprofError(f"{option}: {shown(path)} is not written: {reason}")
    try:
        _swap_in(target, files)
    except OSError as error:
        raise SkaprofError(f"{option}: {shown(path)} cannot be written: {error.strerror}") from None


def _swap_in(target: Path, files: Mapping[str, bytes]) -> None:
    """A new folder in the place of `target`, which goes only once the new one stands whole beside it."""
    import shutil
    from tempfile import mkdtemp

    fresh = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    old = fresh.with_name(f"{fresh.name}.old")
    try:
        for name, data in files.items():
            (fresh / name).write_bytes(data)
        fresh.chmod(0o777 & ~_umask())
        if target.exists():
            target.rename(old)
        fresh.rename(target)
    except BaseException:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _encoded(chunk: str | bytes) -> bytes:
    return chunk.encode("utf-8", "backslashreplace") if isinstance(chunk, str) else chunk


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
