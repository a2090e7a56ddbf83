"""What ends the program from outside: SIGTERM and SIGHUP are taken as Ctrl-C is, and the exit code tells which it was.

The handlers belong to the program alone: `import skaprof` sets none.
"""

from __future__ import annotations

import signal
import sys
from time import monotonic
from types import FrameType
from typing import Any

_ONCE = 1.0
"""Seconds: a terminal that is closed sends SIGHUP twice, and the second is not to cut short what the first began."""
_AGAIN = 0.05
"""Seconds until what was lost on its way is raised once more."""


class Ended(KeyboardInterrupt):  # no error
    """A signal that ends the program.

    Of a class of its own: where a bare KeyboardInterrupt leaves the text that an `exec` runs, as imports have them,
    Python notes it, and dies by SIGINT at its exit whoever has caught it since.
    """


class Signals:
    """The signals received so far."""

    def __init__(self) -> None:
        self.first: int | None = None
        self._last = -_ONCE
        self._watched: list[int] = []

    def watch(self) -> None:
        """Take SIGINT, SIGTERM and SIGHUP as Ctrl-C from now on; one that is ignored, as by nohup, stays ignored."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
                signal.signal(number, self._receive)
                self._watched.append(number)
        sys.unraisablehook = self._unraisable

    def leave(self) -> None:
        """All is written: while the interpreter takes its leave, a signal ends the process as it ends any."""
        for number in self._watched:
            signal.signal(number, signal.SIG_DFL)
        sys.unraisablehook = sys.__unraisablehook__

    def _receive(self, number: int, frame: FrameType | None) -> None:
        last, self._last = self._last, monotonic()
        if self.first is None:
            self.first = number
        elif number != signal.SIGINT and self._last - last < _ONCE:
            return
        raise Ended

    def _unraisable(self, lost: Any) -> None:
        """Where a signal came while Python cleaned up, which no error leaves, it comes again a moment later."""
        if lost.exc_type is not Ended:
            sys.__unraisablehook__(lost)
        elif hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self._once_more)
            signal.setitimer(signal.ITIMER_REAL, _AGAIN)

    def _once_more(self, number: int, frame: FrameType | None) -> None:
        raise Ended

    def exit_code(self, code: int) -> int:
        """The exit code of a program that was interrupted: 128 and the number of the signal, as shells have it."""
        return code if self.first is None else 128 + self.first
