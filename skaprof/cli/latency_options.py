"""How `skaprof latency` measures and where its rows go, as typed, and what that parses to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from math import inf
from typing import Annotated, Any

import typer

from skaprof.bench.protocol import Protocol
from skaprof.cli import options as opt
from skaprof.cli.output import say
from skaprof.cli.output_options import lines_of, output_option, rows_on_stdout
from skaprof.errors import bad_value
from skaprof.grids import parse_choices
from skaprof.implementations import (
    ALLOCATORS,
    CLOCKS,
    GRAPHS,
    IMPLEMENTATIONS,
    LOOKS,
    TIMINGS,
    all_implementations,
)
from skaprof.workload import check_choice

_MEASURING = "Measuring"

Clock = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Whose time decides on a processor: cpu, the CPU time of the one thread that works, to which others on "
        "the machine do not add; wall; auto: cpu where one thread works and never waits.",
        rich_help_panel=_MEASURING,
    ),
]
Threads = Annotated[
    str | None,
    typer.Option(metavar="COUNT", help="PyTorch's threads. Default: as it takes.", rich_help_panel=_MEASURING),
]
Allocator = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="keep: malloc keeps freed memory for later calls; as-is: calls pay for it anew, as in production.",
        rich_help_panel=_MEASURING,
    ),
]
Rounds = Annotated[
    str | None, typer.Option(metavar="COUNT", help="Most rounds of a size. Default: 32.", rich_help_panel=_MEASURING)
]
MinRounds = Annotated[
    str | None,
    typer.Option(
        metavar="COUNT",
        help="Rounds before the first look at the results; the next looks come after twice as many. Default: 8.",
        rich_help_panel=_MEASURING,
    ),
]


def parse(clock: str, threads: str | None, allocator: str, rounds: str | None, min_rounds: str | None) -> Protocol:
    """What the options say.

    Raises:
        SkaprofError: one of them has no such value.
    """
    clock = check_choice("--clock", clock, CLOCKS)
    allocator = check_choice("--allocator", allocator, ALLOCATORS)
    fewest, most = _rounds(rounds, min_rounds)
    return Protocol(clock, allocator, thread_count(threads), most, fewest)


def thread_count(threads: str | None) -> int | None:
    """What --threads says; None where it is not given.

    Raises:
        SkaprofError: no such number.
    """
    return None if threads is None else whole_number("--threads", threads, at_most=os.cpu_count())


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


class Measuring(opt.Options):
    """How to measure, as typed."""

    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.", rich_help_panel=_MEASURING)
    ] = "auto"
    timing: Annotated[
        str | None,
        typer.Option(
            metavar="MODE",
            help="cold: caches flushed before each sample; hot; graph: CUDA graph replays, inputs and weights rotated; "
            "graph-resident: inputs alone; wall: launch included. Default: cold on a GPU, hot on a processor.",
            rich_help_panel=_MEASURING,
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC[/IMPLEMENTATION]",
            help="Compare with this one, each form with its same form where no IMPLEMENTATION is named. Default: the "
            "first mixer.",
            rich_help_panel=_MEASURING,
        ),
    ] = None
    tolerance: Annotated[
        str,
        typer.Option(metavar="PERCENT", help="Differences below this are none.", rich_help_panel=_MEASURING),
    ] = "2"
    max_seconds: Annotated[
        str | None,
        typer.Option(
            metavar="SECONDS",
            help="Time limit of the whole run, shared among its sizes; one that was begun is brought to two rounds.",
            rich_help_panel=_MEASURING,
        ),
    ] = None
    clock: Clock = "auto"
    threads: Threads = None
    allocator: Allocator = "keep"
    rounds: Rounds = None
    min_rounds: MinRounds = None
    tf32: Annotated[
        bool,
        typer.Option(
            "--tf32",
            help="Allow TF32, for matrix products and convolutions alike. Default: neither.",
            rich_help_panel=_MEASURING,
        ),
    ] = False
    shard: Annotated[str | None, opt.shard_option("size", _MEASURING)] = None
    isolate: Annotated[
        bool,
        typer.Option("--isolate", help="Each size in a process of its own.", rich_help_panel=_MEASURING),
    ] = False
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Go on with a FILE.jsonl of the same device and settings.", rich_help_panel=_MEASURING
        ),
    ] = None

    def require_known(self, implementation: str) -> None:
        """Raise unless timing and implementations are known: that is told before PyTorch is loaded.

        Raises:
            SkaprofError: one is not.
        """
        self._asked_timing()
        implementations_of(implementation, on_gpu=False)

    def _asked_timing(self) -> str | None:
        return None if self.timing is None else check_choice("--timing", self.timing, TIMINGS)

    def held(self) -> dict[str, Any]:
        """What holds of this process from here on: allocator and threads, and the clock and rounds asked for.

        Raises:
            SkaprofError: as `latency_parse`.
        """
        asked = parse(self.clock, self.threads, self.allocator, self.rounds, self.min_rounds)
        return asked.hold(say)

    def where(self) -> str:
        """The device here.

        Raises:
            SkaprofError: there is none such.
        """
        from skaprof.bench.environment import resolve_device

        return resolve_device(self.device)

    def require_here(self, timing: str, device: str, implementations: Sequence[str]) -> None:
        """Raise unless the device has the clock, and what the implementations need is installed.

        Raises:
            SkaprofError: it has not, or it is not (exit 3).
        """
        from skaprof.bench.environment import require_clock, require_installed

        if device != "cpu":
            require_installed(implementations)
        require_clock(self.clock, timing, device)

    def how(self, *, on_gpu: bool) -> str:
        """The timing mode on this device.

        Raises:
            SkaprofError: the device has none such, or no TF32.
        """
        if self.tf32 and not on_gpu:
            raise bad_value("--tf32", "true", "a GPU: a processor has no TF32")
        timing = self._asked_timing()
        if timing in GRAPHS and not on_gpu:
            raise bad_value("--timing", timing, "cold, hot or wall on a processor: graphs are CUDA's")
        from skaprof.bench.session import default_timing

        return timing or default_timing(on_gpu=on_gpu)


class Times(opt.DrawnCosts):
    """As `DrawnCosts`, and lines of JSON, which are written as they are measured."""

    output: Annotated[
        list[str] | None,
        output_option(
            "Write to FILE, too: .jsonl saves each size as soon as it is measured (--format is then stdout's); "
            ".json, .csv, .md, .txt at the end. Repeatable."
        ),
    ] = None
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace a FILE.jsonl that is there, once something is measured.",
            rich_help_panel="Output",
        ),
    ] = False
    plot: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Draw latency: .png, .svg or .pdf; repeatable.", rich_help_panel="Output"),
    ] = None

    @property
    def read_and_written(self) -> tuple[str, ...]:
        """The options whose file is gone on with, and not replaced."""
        return ("--resume",) if self.lines is not None else ()

    @property
    def lines(self) -> str | None:
        """The file of lines, if that is what an --output names.

        Raises:
            SkaprofError: several are.
        """
        return lines_of(self.output)

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Where the rows go at the end, and in which format each: to stdout always, whatever files they go to.

        Raises:
            SkaprofError: as `format_of`.
        """
        return rows_on_stdout(self.output, self.format, self.formats)


def positive_number(option: str, text: str) -> float:
    """The number that an option holds.

    Raises:
        SkaprofError: it is none above 0.
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < inf:
        raise bad_value(option, text, "a number above 0")
    return value


def implementations_of(text: str, *, on_gpu: bool) -> tuple[str, ...]:
    """The implementations that --implementation names.

    Raises:
        SkaprofError: an unknown one.
    """
    if text.lower() == "all":
        return all_implementations(on_gpu=on_gpu)
    return parse_choices("--implementation", text, tuple(IMPLEMENTATIONS))
