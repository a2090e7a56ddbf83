"""How `skaprof latency` measures on a processor: whose clock decides, threads, memory, and how many rounds."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from skaprof.bench.protocol import Protocol
from skaprof.errors import bad_value
from skaprof.implementations import ALLOCATORS, CLOCKS, LOOKS
from skaprof.workload import check_choice

_PANEL = "Measuring"

Clock = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Whose time decides on a processor: cpu, the CPU time of the one thread that works, to which others on "
        "the machine do not add; wall; auto: cpu where one thread works and never waits.",
        rich_help_panel=_PANEL,
    ),
]
Threads = Annotated[
    str | None,
    typer.Option(metavar="COUNT", help="PyTorch's threads. Default: as it takes.", rich_help_panel=_PANEL),
]
Allocator = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="keep: malloc keeps freed memory for later calls; as-is: calls pay for it anew, as in production.",
        rich_help_panel=_PANEL,
    ),
]
Rounds = Annotated[
    str | None, typer.Option(metavar="COUNT", help="Most rounds of a size. Default: 32.", rich_help_panel=_PANEL)
]
MinRounds = Annotated[
    str | None,
    typer.Option(
        metavar="COUNT",
        help="Rounds before the first look at the results; the next looks come after twice as many. Default: 8.",
        rich_help_panel=_PANEL,
    ),
]


def parse(clock: str, threads: str | None, allocator: str, rounds: str | None, min_rounds: str | None) -> Protocol:
    """What the options say.

    Raises:
        SkaprofError: one of them has no such value.
    """
    check_choice("--clock", clock, CLOCKS)
    check_choice("--allocator", allocator, ALLOCATORS)
    count = whole_number("--threads", threads, at_most=os.cpu_count()) if threads is not None else None
    fewest, most = _rounds(rounds, min_rounds)
    return Protocol(clock, allocator, count, most, fewest)


def _rounds(rounds: str | None, min_rounds: str | None) -> tuple[int, int]:
    """The fewest and the most: what is not said gives way to what is."""
    most = whole_number("--rounds", rounds, at_least=2) if rounds is not None else LOOKS[-1]
    if min_rounds is None:
        return min(LOOKS[0], most), most
    fewest = whole_number("--min-rounds", min_rounds, at_least=2)
    if rounds is not None and fewest > most:
        raise bad_value("--min-rounds", min_rounds, f"at most --rounds, which is {most}")
    return fewest, max(fewest, most)


def whole_number(option: str, text: str, *, at_least: int = 1, at_most: int | None = None) -> int:
    """The whole number that an option holds.

    Raises:
        SkaprofError: it is none, or out of bounds.
    """
    value = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
    if value < at_least or (at_most is not None and value > at_most):
        bounds = f"of at least {at_least}" if at_most is None else f"from {at_least} to {at_most}, the cores here"
        raise bad_value(option, text, f"a whole number {bounds}")
    return value
