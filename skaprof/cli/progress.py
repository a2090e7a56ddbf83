"""Progress with an estimate of the time left, on stderr, and only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

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


class Progress:
    """A bar over configurations, of which each also tells its rounds; silent off a terminal."""

    def __init__(self, doing: str, count: int) -> None:
        self.doing, self.count = doing, count
        self._bar: RichProgress | None = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and self.count:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = RichProgress(*columns, console=Console(stderr=True), transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self.doing, total=self.count)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def tick(self, rounds: int) -> None:
        """Say which round is done."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self.doing}, round {rounds}")

    def tell(self, words: str) -> None:
        """Say how it goes."""
        if self._bar is not None:
            self._bar.update(self._task, description=f"{self.doing}, {words}")

    def at(self, share: float) -> None:
        """So much of the whole is done, from 0 to 1."""
        if self._bar is not None:
            self._bar.update(self._task, completed=round(share * self.count))

    def advance(self) -> None:
        """One configuration is done."""
        if self._bar is not None:
            self._bar.advance(self._task)
