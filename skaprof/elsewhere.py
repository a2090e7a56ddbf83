"""Tasks done on other machines, as those who have them done know it: no cluster is loaded for that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol


class Done(NamedTuple):
    """What came of the task at a place, or what trouble. `said` is what rows say of who answered: host, environment,
    reruns."""

    place: int
    answer: Any
    trouble: str | None
    said: dict[str, Any]


class Elsewhere(Protocol):
    """What does tasks on other machines; `environment` is what these have alike."""

    @property
    def environment(self) -> dict[str, Any]: ...

    def done(
        self,
        function: str,
        tasks: Sequence[object],
        longest: float,
        is_late: Callable[[], bool],
        tell: Callable[[str], None],
    ) -> Iterator[Done]:
        """What comes of each, as it comes; where it `is_late`, no more is handed out.

        Args:
            function: "module:function" that answers a task, in so many seconds at the `longest`.
            tell: is told how it goes.
        """
