"""The one error class a user may see, raised anywhere and printed once by the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_INTERNAL = 70  # EX_SOFTWARE of sysexits.h
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

_LONGEST_SHOWN = 60
_LONGEST_PATH_SHOWN = 150


_MARK = "\ue000"  # private use: `shown` and `printable` escape it, so that no text of a user's holds one
_NAMED = re.compile(rf"{_MARK}(\w+)")


def named(parameter: str) -> str:
    """A parameter's name for a message (`head_dim`): Python says it as it is, the command line as `--head-dim`.

    The text is marked, and for a `SkaprofError` or `in_python` or `in_options` to spell; what a value is known by
    elsewhere, the key of a file say, goes into messages without a mark.
    """
    return f"{_MARK}{parameter}"


def in_python(marked: str) -> str:
    """The text with each name that is marked in it as Python has it."""
    return marked.replace(_MARK, "")


def in_options(marked: str) -> str:
    """The text with each name that is marked in it as the command line's option."""
    return _NAMED.sub(lambda found: option_of(found[1]), marked)


def option_of(parameter: str) -> str:
    """The option that gives a parameter: `--head-dim` for `head_dim`."""
    return f"--{parameter.replace('_', '-')}"


class SkaprofError(Exception):
    """Something the user can mend: one message, and the exit code that goes with it.

    `message`, which is also str(error), has parameters by their names in Python, `in_options()` as the command line's
    options. `marked` is for putting into another error's message. `parameters` are the names in it, in their order;
    `value` and `expected` are those of `bad_value`, else None.

    What no terminal should be sent is escaped in it. `below` are lines to stand below it, an excerpt of a file say.

    Exit codes: 1 a check or claim failed, 2 bad usage or input, 3 something the command needs is missing here.
    """

    def __init__(
        self,
        marked: str,
        exit_code: int = EXIT_USAGE,
        *,
        value: object = None,
        expected: str | None = None,
        below: Iterable[str] = (),
    ) -> None:
        self.marked = "\n".join(_MARK.join(map(printable, line.split(_MARK))) for line in (marked, *below))
        super().__init__(in_python(self.marked))
        self.exit_code = exit_code
        self.value = value
        self.expected = None if expected is None else in_python(expected)

    @property
    def message(self) -> str:
        """What is wrong, with parameters as Python has them."""
        return in_python(self.marked)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that the message names, each once."""
        return tuple(dict.fromkeys(_NAMED.findall(self.marked)))

    def in_options(self) -> str:
        """What is wrong, with parameters as the command line's options."""
        return in_options(self.marked)

    def without(self, parameter: str) -> str:
        """`marked` without the name of this parameter, where it begins with that."""
        return self.marked.removeprefix(f"{named(parameter)}: ")


def shown(value: object) -> str:
    """A user's value as it may be printed back: quoted, control characters escaped, long text cut."""
    text = repr(str(value))
    if len(text) > _LONGEST_SHOWN:
        return f"{text[:_LONGEST_SHOWN]}...' ({len(str(value))} characters)"
    return text


def shown_option(given: object) -> str:
    """What an option was given, as `shown`; of a repeatable one, all its values."""
    return ", ".join(map(shown, given)) if isinstance(given, list | tuple) else shown(given)


def shown_path(path: object) -> str:
    """A file's name as it may be printed back: as `shown`, but a long one loses its beginning, not its name."""
    text = repr(str(path))
    return text if len(text) <= _LONGEST_PATH_SHOWN else f"'...{text[-_LONGEST_PATH_SHOWN:]}"


def printable(text: object) -> str:
    """Text from a file as a terminal or a page may show it: control characters, line ends among them, escaped."""
    return "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in str(text))


def printable_lines(text: str) -> str:
    """Text of several lines as `printable`, but for the line ends, which are the program's own."""
    return "\n".join(map(printable, text.split("\n")))


def bad_value(name: str, value: object, expected: str, choices: Iterable[str] = ()) -> SkaprofError:
    """An error that says which value is wrong and what is expected, with the nearest of `choices` if one is near.

    `name` is what the value is known by: `named` for a parameter, or its place in a file.
    """
    suggestion = "".join(f"; did you mean {near!r}?" for near in nearest(value, choices) if near != value)
    said = f"{name}: {shown(value)} is not valid: expected {expected}{suggestion}"
    return SkaprofError(said, value=value, expected=expected)


def nearest(value: object, choices: Iterable[str]) -> list[str]:
    """The nearest of `choices`, whatever the case, if one is near."""
    from difflib import get_close_matches  # only needed once something is wrong

    by_lower_case = {choice.lower(): choice for choice in choices}
    return [by_lower_case[near] for near in get_close_matches(str(value)[:200].lower(), list(by_lower_case), n=1)]


def missing_package(package: str, purpose: str) -> SkaprofError:
    """The error for a package that is needed and not installed (exit 3)."""
    return SkaprofError(
        f"{purpose} needs the package {package!r}, which is not installed here; run: pip install {package}",
        EXIT_MISSING,
    )


def require_package(package: str, purpose: str) -> None:
    """Raise unless the package is installed, which is found out without loading it.

    Raises:
        SkaprofError: it is not (exit 3).
    """
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise missing_package(package, purpose)


@contextmanager
def needing(purpose: str) -> Iterator[None]:
    """Around imports that `purpose` needs: a package that is not installed is a `missing_package`.

    Raises:
        SkaprofError: one is not (exit 3).
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise missing_package(str(error.name).partition(".")[0], purpose) from None
