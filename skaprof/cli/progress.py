"""Progress with an estimate of the time left, on stderr, and only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_WORTH_SHOWING = 20


def progress(items: Iterable[T], count: int, doing: str) -> Iterator[T]:
    """`items`, with a progress bar on stderr if that is a terminal and there are enough of them to wait for."""
    if count < _WORTH_SHOWING or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield from bar.track(items, total=count)
