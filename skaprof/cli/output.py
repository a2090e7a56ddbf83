"""Where a command's text and files go: stdout, stderr, or a file that is written whole or not at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from skaprof.errors import (
    EXIT_BROKEN_PIPE,
    SkaprofError,
    bad_value,
    in_options,
    printable,
    printable_lines,
    shown,
    shown_path,
)
from skaprof.files import require_writable, write_whole
from skaprof.report.formats import ENDINGS
from skaprof.workload import check_choice

STDOUT = "-"
"""What a user writes for standard output."""
PLOT_ENDINGS = (".png", ".svg", ".pdf")


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


def deliver(text: Iterable[str], output: str) -> None:
    """Write to a file of --output, and say so, or to stdout.

    Raises:
        SkaprofError: it cannot be written.
    """
    if output == STDOUT:
        emit(text)
    else:
        write_whole("--output", output, text)
        say(f"wrote {printable(output)}")


def abandon_stdout() -> None:
    """Point stdout at nothing, so that the interpreter does not try to flush it once more at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(message: str) -> None:
    """A message for the person at the terminal, on stderr."""
    print(printable_lines(in_options(message)), file=sys.stderr, flush=True)


def say_notices(notices: Iterable[str]) -> None:
    """What there is to know about an answer, each on a line of stderr."""
    for notice in notices:
        say(f"skaprof: {notice}")


def suffix_of(option: str, path: str, endings: Iterable[str]) -> str:
    """The path's lower-case ending, one of `endings`.

    Raises:
        SkaprofError: another ending.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in endings:
        raise bad_value(option, path, f"a file name ending in {', '.join(endings)}")
    return suffix


def format_of(format: str | None, output: str, formats: tuple[str, ...]) -> str:
    """The format asked for, one of `formats`, or that of the output file's ending, or for stdout a table.

    Raises:
        SkaprofError: an unknown format, an ending that names none, or one that names another format.
    """
    if format is not None:
        chosen = check_choice("--format", format, formats)
        _require_agreement(chosen, output)
        return chosen
    return "table" if output == STDOUT else ENDINGS[suffix_of("--output", output, ENDINGS)]


def _require_agreement(format: str, output: str) -> None:
    ending = Path(output).suffix.lower()
    named = ENDINGS.get(ending, format)
    if named not in (format, "json" if format == "bmf" else format):  # Bencher's format is JSON
        raise SkaprofError(
            f"--format: {shown(format)} is not what --output {shown_path(output)} ends in: "
            f"expected {named}, which {ending} stands for, or another ending"
        )


def _require_distinct(paths: Sequence[str]) -> None:
    """Nothing, where no two paths are one file.

    Raises:
        SkaprofError: two are; the second would replace the first.
    """
    for place, path in enumerate(paths):
        if any(is_one_file(path, other) for other in paths[:place]):
            raise SkaprofError(
                f"--output and --plot: {shown(path)} is named twice: expected a file of its own for each"
            )


def is_one_file(path: str, other: str) -> bool:
    """Whether two paths name one file, which may not be there yet: through links of either kind, too."""
    try:
        return os.path.realpath(path) == os.path.realpath(other) or os.path.samefile(path, other)
    except (OSError, ValueError):  # one is not there, or can be no file's name
        return False


def require_no_input(option: str, destination: str, given: Mapping[str, object]) -> None:
    """Raise where the file that an option writes, or one in the folder, is one that the command reads.

    Args:
        given: what is typed for each other option or argument, by its name in a message. Each text counts that names
            the file, as it is or as the beginning of `FILE.py:NAME` and `FILE.toml[stage1=SPEC]`.

    Raises:
        SkaprofError: it is: reading it once more would find what was written.
    """
    for name, value in given.items():
        for text in value if isinstance(value, list | tuple) else (value,):
            for path in _files_in(text) if isinstance(text, str) else ():
                if _is_at(path, destination):
                    raise SkaprofError(
                        f"{option}: {shown_path(destination)} would replace {shown_path(path)}, which {name} reads: "
                        "expected another place"
                    )


def _files_in(text: str) -> list[str]:
    """The files that a text may name; of a folder, the results of the report in it."""
    beginnings = dict.fromkeys((text, text.rpartition(":")[0], text.partition("[")[0]))
    found = [path for path in beginnings if path and "\0" not in path and os.path.exists(path)]
    return [os.path.join(path, "results.json") if os.path.isdir(path) else path for path in found]


def _is_at(path: str, destination: str) -> bool:
    """Whether it is that file, or lies in that folder."""
    if is_one_file(path, destination):
        return True
    return os.path.isdir(destination) and is_one_file(os.path.dirname(os.path.realpath(path)), destination)


def require_destinations(outputs: Sequence[str], plots: Sequence[str]) -> None:
    """Raise unless every --output and every --plot can be written, each to a file of its own.

    Raises:
        SkaprofError: one cannot, or a plot's ending is none of `PLOT_ENDINGS`.
    """
    for path in outputs:
        if path != STDOUT:
            require_writable("--output", path)
    for path in plots:
        suffix_of("--plot", path, PLOT_ENDINGS)
        require_writable("--plot", path)
    _require_distinct([*outputs, *plots])


def draw(paths: Iterable[str], image: Callable[[str], bytes], option: str = "--plot") -> None:
    """Write to each file of the option what `image` makes of its ending, and say so.

    Raises:
        SkaprofError: it cannot be drawn, or not be written.
    """
    for path in paths:
        write_whole(option, path, [image(suffix_of(option, path, PLOT_ENDINGS))])
        say(f"wrote {printable(path)}")
