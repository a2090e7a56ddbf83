"""The process's memory allocator: what it is, and whether it keeps its memory between calls.

Whether glibc gives a freed tensor's pages back to the system, and so pays for them again at the next call, depends on
what the process did before. Told to keep its memory, it does not. `mallopt` in this process does what the environment
variables of a process started anew do, at a fiftieth of the cost (docs/timing.md). Imports nothing heavy.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h
_NEVER = -1
_TOP_PAD = 64 * 2**20
_OTHERS = ("jemalloc", "tcmalloc", "mimalloc", "hoard", "snmalloc")
_kept = False


def malloc_name() -> str:
    """Which malloc this process runs on: `glibc 2.36`, or one that was loaded in its place, or the platform's."""
    maps = Path("/proc/self/maps")
    loaded = maps.read_text() if maps.exists() else ""
    replaced = next((name for name in _OTHERS if f"lib{name}" in loaded), None)
    if replaced is not None:
        return replaced
    name, version = platform.libc_ver() if sys.platform == "linux" else ("", "")
    return f"{name} {version}" if name == "glibc" else f"the malloc of {platform.system()}"


def put_allocator(choice: str) -> str:
    """Make the allocator keep its memory, or leave it as it is; "keep" or "as-is", whichever now holds.

    Only glibc can be told. It maps no block apart (its threshold for that ends at 32 MiB, and each larger tensor would
    fault on every page at every call), and never gives the top of its heap back but in `give_back`.
    """
    global _kept  # noqa: PLW0603  # a state of the process, like the allocator's own
    if choice == "keep" and not _kept and malloc_name().startswith("glibc"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_TOP_PAD, _TOP_PAD))
        _kept = mallopt is not None and all(mallopt(*each) for each in wanted)
    return held()


def held() -> str:
    """Which of `ALLOCATORS` holds in this process."""
    return "keep" if _kept else "as-is"


def give_back() -> None:
    """What one size left free goes back to the system, so that the next one starts as every one does."""
    if _kept:
        ctypes.CDLL(None).malloc_trim(0)
