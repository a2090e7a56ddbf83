"""Parts of skaprof in a process of their own: what dies there takes nothing else with it."""

from __future__ import annotations

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]


def python_command(module: str, function: str) -> list[str]:
    """The command that calls a function of this package, found where this process found it."""
    program = f"import sys; sys.path.append({str(_ROOT)!r}); from {module} import {function}; {function}()"
    # -P: no file in the user's folder stands in for a module of the standard library
    return [sys.executable, "-P", "-c", program]


def ended_badly(code: int, stderr: str) -> str:
    """How a process ended, and its last words."""
    last_words = (stderr.strip().splitlines() or ["no message"])[-1][:300]
    return f"its process ended with code {code}: {last_words}"
