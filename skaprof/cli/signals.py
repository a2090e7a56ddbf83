"""What ends the program from outside: SIGTERM and SIGHUP are taken as Ctrl-C is, and the exit code tells which it was.

The handlers belong to the program alone: `import skaprof` sets none.
"""

from __future__ import annotations

import signal
import sys
from time import monotonic
from types import FrameType
from typing import Any

_LOADER = "<frozen importlib._bootstrap>"
_ONCE = 1.0
"""Seconds: a terminal that is closed sends SIGHUP twice, and the second is not to cut short what the first began."""
_AGAIN = 0.05
"""Seconds until a signal that was lost, or came while a module loads, is raised once more."""
_LONGEST_IMPORT = 1.0
"""Seconds that a module may take to load before it is interrupted. PyTorch takes an import of NumPy that is cut off for
NumPy's absence: the signal is lost there, and whatever needs NumPy fails."""


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
        _stop_timer()
        for number in self._watched:
            signal.signal(number, signal.SIG_DFL)
        sys.unraisablehook = sys.__unraisablehook__

    def _receive(self, number: int, frame: FrameType | None) -> None:
        last, self._last = self._last, monotonic()
        if self.first is None:
            self.first = number
        elif number != signal.SIGINT and self._last - last < _ONCE:
            return
        self._end(frame)

    def _end(self, frame: FrameType | None) -> None:
        if monotonic() - self._last > _LONGEST_IMPORT or not (_is_loading(frame) and self._come_again()):
            _stop_timer()
            raise Ended

    def _come_again(self) -> bool:
        """Have it raised once more a moment later, where the system has a timer for that."""
        if not hasattr(signal, "setitimer"):
            return False
        signal.signal(signal.SIGALRM, self._once_more)
        signal.setitimer(signal.ITIMER_REAL, _AGAIN)
        return True

    def _unraisable(self, lost: Any) -> None:
        """Where a signal came while Python cleaned up, which no error leaves, it comes again a moment later."""
        if lost.exc_type is Ended:
            self._come_again()
        else:
            sys.__unraisablehook__(lost)

    def _once_more(self, number: int, frame: FrameType | None) -> None:
        self._end(frame)

    def exit_code(self, code: int) -> int:
        """The exit code of a program that was interrupted: 128 and the number of the signal, as shells have it."""
        return code if self.first is None else 128 + self.first


def _stop_timer() -> None:
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)


def _is_loading(frame: FrameType | None) -> bool:
    """Whether a module is being loaded there."""
    while frame is not None:
        if frame.f_code.co_filename == _LOADER:
            return True
        frame = frame.f_back
    return False


SIGNALS = Signals()
"""Those of this process, which `python -m skaprof` watches."""
