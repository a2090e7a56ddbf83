"""Who watches a timing run from a terminal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from skaprof.cli.output import emit, say
from skaprof.cli.progress import Progress
from skaprof.errors import require_package
from skaprof.implementations import PYTORCH

if TYPE_CHECKING:
    from skaprof.analysis.plan import Plan
    from skaprof.bench.configuration import Timed


class Terminal:
    """Says on stderr what there is to say, shows progress there, and puts rows that no file could take on stdout."""

    def __init__(self, doing: str) -> None:
        self.doing = doing

    def say(self, words: str) -> None:
        """A message for the person at the terminal."""
        say(words)

    def steps(self, count: int) -> Progress:
        """A bar over that many sizes."""
        return Progress(self.doing, count)

    def rescue(self, rows: Sequence[dict[str, Any]]) -> None:
        """What was measured is not lost with its file."""
        emit(json.dumps(row) + "\n" for row in rows)


def load_engine() -> None:
    """Load PyTorch, which takes seconds that no size's time should hold.

    Raises:
        SkaprofError: it is not installed.
    """
    require_package("torch", "timing")
    import skaprof.bench.configuration  # noqa: F401  # loaded before anything is timed


def timed(
    plans: Sequence[Plan],
    implementations: tuple[str, ...],
    device: str,
    seconds: float,
    runtimes: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """The plans' rows by `skaprof.bench.default_session.measured_rows`, watched from here.

    Raises:
        SkaprofError, Interrupted: as that; also where torch is not installed.
    """
    require_package("torch", "timing")
    from skaprof.bench.default_session import measured_rows

    def grouped() -> list[Sequence[Timed]]:
        from skaprof.bench.configuration import configurations

        return [group for plan in plans for group in configurations(plan, implementations)]

    return measured_rows(grouped, device, seconds, Terminal("timing"), runtimes or (PYTORCH,))


def timed_networks(
    models: Sequence[str], dtype: str, implementations: tuple[str, ...], device: str, seconds: float
) -> list[dict[str, Any]]:
    """As `timed`, whole backbones at the image size of the first: the first is what the others are compared with.

    Raises:
        SkaprofError, Interrupted: as `timed`.
    """
    require_package("torch", "timing")
    from skaprof.bench.default_session import measured_rows
    from skaprof.cli.latency_networks import groups, parse

    wanted = parse(models, None, None, None, dtype, "forward")
    return measured_rows(lambda: groups(wanted, implementations), device, seconds, Terminal("timing networks"))
