"""Why something cannot be timed, in words: what does not fit, what cannot run here, what failed in a call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from skaprof.bench.gate import WrongOutputError
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, named
from skaprof.foreign_code import reason_of


class UnsupportedError(Exception):
    """An implementation that cannot run here, at this size or in this dtype; the message says why."""


class CallError(Exception):
    """A contender's call that failed, which its cause explains: so the others need not pay for it."""

    def __init__(self, call: Callable[[], object]) -> None:
        super().__init__()
        self.call = call


@contextmanager
def explained(device: str, *, foreign: bool = False) -> Iterator[None]:
    """PyTorch's errors as ours: what does not fit, what cannot run here, and a GPU whose context is lost.

    Where the code is `foreign`, and in a call of any contender, every other error too, a SystemExit among them.
    """
    try:
        yield
    except (UnsupportedError, WrongOutputError, SkaprofError, MemoryError, torch.OutOfMemoryError):
        raise
    except CallError as error:
        raise _told(error.__cause__ or error, device) from error
    except (Exception, SystemExit) as error:
        if not foreign and not isinstance(error, RuntimeError | ImportError):
            raise
        raise _told(error, device) from error


def _told(error: BaseException, device: str) -> Exception:
    """The error as `_attempted` takes it."""
    if isinstance(error, UnsupportedError):
        return error
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return MemoryError(first_line(error))
    reason = first_line(error) if isinstance(error, RuntimeError | ImportError) else reason_of(error)
    if "DefaultCPUAllocator" in reason:
        return MemoryError("PyTorch could not allocate what it needs")
    if device == "cuda" and _context_is_lost():
        return SkaprofError(
            f"the GPU stopped answering after {reason}: what was measured is kept; go on with {named('resume')}, "
            f"or give each size a process of its own with {named('isolate')}",
            EXIT_CHECK_FAILED,
        )
    return UnsupportedError(reason)


def _context_is_lost() -> bool:
    """Whether an error stuck: after an illegal access, say, every later call of the process fails."""
    try:
        torch.cuda.synchronize()
    except RuntimeError:
        return True
    return False


def first_line(error: BaseException) -> str:
    """An error's first line, its type where it says nothing."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300]
