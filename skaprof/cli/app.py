"""The `skaprof` program: its commands, and the one place where errors become a message and an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Annotated, Any

import typer

from skaprof.cli.as_typed import Command, Group
from skaprof.cli.commands import COMMANDS, PANELS, SUBCOMMANDS
from skaprof.cli.output import abandon_stdout, emit, say
from skaprof.cli.signals import SIGNALS
from skaprof.errors import (
    EXIT_BROKEN_PIPE,
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_MISSING,
    EXIT_USAGE,
    SkaprofError,
    missing_package,
    printable,
)

_TRACEBACK = "--traceback"
_UsageError: Any = typer.BadParameter.__base__  # click's, or typer's own copy of it, depending on typer's version


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
    traceback: Annotated[
        bool, typer.Option(_TRACEBACK, help="Of an internal error, show all that a report of it needs.")
    ] = False,
) -> None:
    del traceback  # whoever says what went wrong looks for the word itself, which may stand anywhere
    if version:
        from skaprof._version import __version__

        emit([f"skaprof {__version__}\n"])
        raise typer.Exit()
    if context.invoked_subcommand is None:
        emit([context.get_help(), "\n"])
        raise typer.Exit()


def build_app(commands: list[str]) -> typer.Typer:
    """The program with these commands; their modules, and only theirs, are imported."""
    app = typer.Typer(
        name="skaprof",
        cls=Group,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Does this token mixer really save parameters, FLOPs, memory and milliseconds, at your sizes?",
    )
    app.callback(invoke_without_command=True)(_root)
    for name in commands:
        command = getattr(import_module(f"skaprof.cli.{name}"), name)
        told: dict[str, Any] = {"help": _paragraphs(command), "epilog": COMMANDS[name], "rich_help_panel": PANELS[name]}
        if name in SUBCOMMANDS:
            app.add_typer(_group(name, command), name=name, cls=Group, **told)
        else:
            app.command(name, cls=Command, **told)(command)
    return app


def _group(name: str, command: Callable[..., None]) -> typer.Typer:
    """A command and those below it: with none of them typed, it runs itself."""
    group = typer.Typer(cls=Group, invoke_without_command=True)
    group.callback(invoke_without_command=True)(command)
    for word, place in SUBCOMMANDS[name].items():
        module, _, function = place.partition(":")
        below = getattr(import_module(module), function)
        group.command(word, cls=Command, help=_paragraphs(below))(below)
    return group


def _paragraphs(command: Callable[..., None]) -> str:
    """The command's docstring as help: a line a paragraph, so that it wraps where the terminal does."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in (command.__doc__ or "").split("\n\n"))


def _wanted() -> list[str]:
    """The command the user typed, or all of them for help, completion and errors: others need not start."""
    typed = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    return [typed] if typed in COMMANDS and "_SKAPROF_COMPLETE" not in os.environ else list(COMMANDS)


def main() -> int:
    """Run the program and return its exit code."""
    _prepare_streams()
    try:
        app = build_app(_wanted())
        if not gc.isenabled():
            gc.freeze()
            gc.enable()
        words = [word for word in sys.argv[1:] if word != _TRACEBACK]
        exit_code = int(app(words, prog_name="skaprof", standalone_mode=False) or 0)
        if exit_code == EXIT_INTERRUPTED:  # typer has caught Ctrl-C
            raise KeyboardInterrupt
        return exit_code
    except (Exception, KeyboardInterrupt, SystemExit) as error:
        message, exit_code = _message_and_exit_code(error)
        if message:
            say(f"skaprof: {message}")
        return exit_code


def _message_and_exit_code(error: BaseException) -> tuple[str, int]:
    """What to say of an error, and how to exit."""
    missing = error.name.partition(".")[0] if isinstance(error, ModuleNotFoundError) and error.name else ""
    match error:
        case SkaprofError():
            found = error.in_options(), error.exit_code
        case _UsageError():
            found = error.format_message(), EXIT_USAGE
        case KeyboardInterrupt() | typer.Abort():
            found = "interrupted", EXIT_INTERRUPTED
        case SystemExit():  # typer ends itself with 1 where a reader left it
            found = "", EXIT_BROKEN_PIPE if error.code == 1 else int(error.code or 0)
        case BrokenPipeError():
            abandon_stdout()
            found = "", EXIT_BROKEN_PIPE
        case OSError():
            found = _of_system(error), EXIT_USAGE
        case _ if SIGNALS.first is not None:  # a package that lost the signal, and now lacks what it was loading
            found = "interrupted", EXIT_INTERRUPTED
        case _ if missing in _PACKAGES:
            found = missing_package(missing, "this command").message, EXIT_MISSING
        case _:
            found = _internal(error), EXIT_INTERNAL
    return found


def _internal(error: BaseException) -> str:
    """What to say of an error that is a bug of ours: in one line, unless the rest is asked for."""
    from traceback import extract_tb, format_exception

    if _TRACEBACK in sys.argv:
        sys.stderr.write("".join(format_exception(error)))
    place = extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {printable(error)}"[:_LONGEST_ERROR]
    return (
        f"internal error: {what} ({os.path.basename(place.filename)}, line {place.lineno}): a bug of skaprof; please "
        f"report it in the project's issue tracker, with what {_TRACEBACK} shows"
    )


def _of_system(error: OSError) -> str:
    """What to say of the system's error: stdout is blamed where what was written to it cannot be flushed either."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
        return f"stdout: cannot be written: {error.strerror}"
    return printable(error)


_LONGEST_ERROR = 300
_PACKAGES = frozenset(("torch", "fvcore", "numpy", "pandas", "sympy", "matplotlib", "scipy", "PIL"))


def _prepare_streams() -> None:
    """A closed stream swallows what is written, a character a terminal lacks becomes a question mark, and help has no
    colour off a terminal or under NO_COLOR."""
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # open for as long as the program runs
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115  # as above
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        os.environ["_TYPER_FORCE_DISABLE_TERMINAL"] = "1"  # typer colours its help in CI whatever stdout is
