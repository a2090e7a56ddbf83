"""Timed calls of a calibration in a file, a line each, as soon as they are timed: one that was cut short goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from skaprof.errors import SkaprofError, named, shown_path
from skaprof.files import append, require_writable, write_whole
from skaprof.inputs import MOST_RESULTS, read_text
from skaprof.model.kernel_times import DispatchedKernel, KernelTime, TimedCall

_FORMAT = "calibration"


class CallStore:
    """The calls of a file by their number, each once a pass; without a path they are kept in memory alone."""

    def __init__(self, path: str | None, conditions: Mapping[str, str]) -> None:
        """Open the file, or begin it.

        Raises:
            SkaprofError: it is no such file, of another processor, PyTorch or thread count, or cannot be written.
        """
        self.path = path
        self.calls: dict[int, list[TimedCall]] = {}
        if path is None:
            return
        require_writable(named("resume"), path)
        if not os.path.exists(path) or not os.path.getsize(path):
            write_whole(named("resume"), path, [_line({_FORMAT: 1, "conditions": dict(conditions)})])
            return
        head, *lines = read_text(path, named("resume"), MOST_RESULTS).splitlines()
        self._require_ours(head, conditions)
        good = [head, *(line for line in lines if self._take(line))]
        if len(good) <= len(lines):  # a line that was cut off
            write_whole(named("resume"), path, [f"{line}\n" for line in good])

    def add(self, number: int, call: TimedCall) -> None:
        """Keep one more pass of a call.

        Raises:
            SkaprofError: the file cannot be written.
        """
        self.calls.setdefault(number, []).append(call)
        if self.path is not None:
            times = [[*time.kernel, time.seconds] for time in call.times]
            line = {"number": number, "mode": call.mode, "seconds": call.seconds, "kernels": times}
            append(named("resume"), self.path, [_line(line)])

    def _require_ours(self, head: str, conditions: Mapping[str, str]) -> None:
        found = _parsed(head)
        theirs = found.get("conditions") if found.get(_FORMAT) == 1 else None
        where = f"{named('resume')}: {shown_path(str(self.path))}"
        if not isinstance(theirs, dict):
            raise SkaprofError(f"{where} is none of skaprof calibrate: expected one, or a new name")
        for key, ours in conditions.items():
            if theirs.get(key) != ours:
                raise SkaprofError(f"{where} was timed with {key} {theirs.get(key)!r}: expected {ours!r}, as here")

    def _take(self, line: str) -> bool:
        """Whether the line is a whole one; its call is known from then on."""
        found = _parsed(line)
        try:
            times = [
                KernelTime(DispatchedKernel(str(kind), str(dtype), tuple(map(int, sizes))), float(seconds))
                for kind, dtype, sizes, seconds in found["kernels"]
            ]
            call = TimedCall(tuple(times), float(found["seconds"]), str(found["mode"]))
            number = int(found["number"])
        except (KeyError, TypeError, ValueError):
            return False
        self.calls.setdefault(number, []).append(call)
        return True


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _line(document: Mapping[str, Any]) -> str:
    return json.dumps(document) + "\n"
