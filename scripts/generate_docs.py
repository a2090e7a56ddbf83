"""The command reference from the program itself: python scripts/generate_docs.py [--check]

Writes docs/commands.md: what `skaprof --help` and each command's help print. With --check it writes nothing, and exits
1 where the file is not that.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path

WIDTH = 100
os.environ |= {"COLUMNS": str(WIDTH), "NO_COLOR": "1", "TERMINAL_WIDTH": str(WIDTH)}  # before they are read

from skaprof.cli.app import main as skaprof  # noqa: E402  after the width
from skaprof.cli.commands import COMMANDS, SUBCOMMANDS  # noqa: E402  likewise

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "commands.md"


def help_of(*command: str) -> str:
    """What the program prints for `--help`, at a fixed width and without colour."""
    sys.argv = ["skaprof", *command, "--help"]
    with redirect_stdout(io.StringIO()) as printed:
        if code := skaprof():
            sys.exit(f"{' '.join(sys.argv)}: exit code {code}")
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def reference() -> str:
    """The whole page."""
    parts = ["# Commands\n\nGenerated from the program by `python scripts/generate_docs.py`.\n"]
    commands: list[tuple[str, ...]] = [()]
    for name in COMMANDS:
        commands += [(name,), *((name, word) for word in SUBCOMMANDS.get(name, ()))]
    for command in commands:
        parts.append(f"## {' '.join(('skaprof', *command))}\n\n```text\n{help_of(*command)}\n```\n")
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    page = reference()
    if not arguments.check:
        REFERENCE.write_text(page)
    elif REFERENCE.read_text() != page:
        sys.exit("docs/commands.md is not what the program prints: run python scripts/generate_docs.py")


if __name__ == "__main__":
    main()
