"""The one error class a user may see, raised anywhere and printed once by the command line."""

from __future__ import annotations

from collections.abc import Iterable

EXIT_CHECK_FAILED = 1
EXIT_USAGE = 2
EXIT_MISSING = 3
EXIT_INTERRUPTED = 130  # 128 + SIGINT, as shells report it
EXIT_BROKEN_PIPE = 141  # 128 + SIGPIPE

_LONGEST_SHOWN = 60
_LONGEST_PATH_SHOWN = 150


class SkaprofError(Exception):
    """Something the user can mend: one message, and the exit code that goes with it.

    Exit codes: 1 a check or claim failed, 2 bad usage or input, 3 something the command needs is missing here.
    """

    def __init__(self, message: str, exit_code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code


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


def bad_value(option: str, value: object, expected: str, choices: Iterable[str] = ()) -> SkaprofError:
    """An error that names the option, the value and what is expected, with the nearest of `choices` if one is near."""
    from difflib import get_close_matches  # only needed once something is wrong

    by_lower_case = {choice.lower(): choice for choice in choices}
    near = get_close_matches(str(value)[:200].lower(), list(by_lower_case), n=1)
    suggestion = f"; did you mean {by_lower_case[near[0]]!r}?" if near and by_lower_case[near[0]] != value else ""
    return SkaprofError(f"{option}: {shown(value)} is not valid: expected {expected}{suggestion}")


def missing_package(package: str, purpose: str) -> SkaprofError:
    """The error for a package that a command needs and that is not installed (exit 3)."""
    return SkaprofError(
        f"{purpose} needs the package {package!r}, which is not installed here; run: pip install {package}",
        EXIT_MISSING,
    )
