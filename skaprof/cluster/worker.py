"""What a Dask worker does of ours: it hands each call on to a lasting process of its own, and tells who answered.

Nothing is measured in Dask's process, whose threads beat, and would hold the interpreter in the middle of a sample. The
process is started at the first call, and anew where it died; it ends with the worker.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from threading import Lock
from typing import Any
from uuid import uuid4

from skaprof.lasting_python import LastingPython, Reply
from skaprof.subprocesses import environment

PROCESS = uuid4().hex
"""Which process of Dask's this is: a worker that was started anew may have its forerunner's address."""
_TRIM = "MALLOC_TRIM_THRESHOLD_"
_TURN = Lock()
"""One call at a time, whatever resources the worker was started with: there is one device."""
_working: dict[str, LastingPython] = {}
"""Who is at the calls of a name."""
_given_up: set[str] = set()
_kept: list[LastingPython] = []


def answer(text: str) -> str:
    """The replies to calls, if they are meant for this very process; `process` and `host` say who replies. As JSON."""
    told = json.loads(text)
    found: dict[str, Any] = {"process": PROCESS, "host": socket.gethostname(), "replies": None}
    if told["process"] in (None, PROCESS):
        with _TURN:
            found["replies"] = [_reply(told["name"], call)._asdict() for call in told["calls"]]
    return json.dumps(found)


def _reply(name: str, call: Mapping[str, Any]) -> Reply:
    if name in _given_up:
        return Reply(trouble="it was given up")
    python = _python(fresh=call["fresh"])
    _working[name] = python
    try:
        reply = python.call(call["function"], call["task"], call["longest"])
    finally:
        del _working[name]
        if call["fresh"]:
            python.end()
    if reply.refused is not None:  # its GPU may be lost to it for good
        python.end()
    return reply


def give_up(names: list[str]) -> None:
    """End the processes that are at these calls: nobody waits for them any more."""
    for name in names:
        _given_up.add(name)
        if (python := _working.get(name)) is not None:
            python.end()


def _python(*, fresh: bool) -> LastingPython:
    if fresh:
        return LastingPython(_variables())
    if not _kept:
        _kept.append(LastingPython(_variables()))
    return _kept[0]


def _variables() -> dict[str, str]:
    """This process's variables without what Dask has put there for malloc, which would hold of what is measured."""
    import dask

    put = dask.config.get("distributed.nanny.pre-spawn-environ", {})
    found = environment()
    if _TRIM in found and os.environ[_TRIM] == str(put.get(_TRIM)):
        del found[_TRIM]
    return found
