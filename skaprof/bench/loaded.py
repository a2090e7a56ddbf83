"""A model that a runtime has loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple


class Loaded(NamedTuple):
    """A model loaded with its input: `run` runs it once, `outputs` gives what it then gave, as NumPy arrays.

    `precision` is the one that it runs in. `fused` is what the runtime made one kernel of, `kernels` what it runs.
    `session_bytes` are those that its allocator held once loaded, weights as packed, `peak_bytes` the most that it held
    during a call beyond these; None where the runtime does not tell.
    """

    run: Callable[[], object]
    outputs: Callable[[], Sequence[Any]]
    precision: str
    kernels: tuple[str, ...] = ()
    fused: tuple[str, ...] = ()
    graph_level: str | None = None
    session_bytes: int | None = None
    peak_bytes: int | None = None


def counted(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, with how often it stands: `FusedMatMul x 2`."""
    return tuple(name if count == 1 else f"{name} x {count}" for name, count in Counter(names).items())
