"""One process of ours that answers call after call, in the state that the calls before left it in.

As `skaprof.subprocesses` has them, it lives no longer than whoever started it. What it is asked and what it says are
lines of JSON on streams of their own: what a library prints there disturbs neither.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, BinaryIO, NamedTuple

from skaprof.errors import SkaprofError
from skaprof.subprocesses import OWN_GROUP, end_with, ended_badly, environment, kill, python_that_calls

_LAST_LINES = 20
"""Of what a process writes to stderr: its last words are among them."""
_LEAVE = 2.0
"""Seconds that a process whose answers have ended may take to go, and what it started to let go of its stderr."""


class Reply(NamedTuple):
    """What a call gave; or how its process ended, in words; or why it was refused, the text of a `SkaprofError`."""

    answer: Any = None
    trouble: str | None = None
    refused: str | None = None


class LastingPython:
    """The process, started at the first call, and anew at the first after it died. One thread at a time calls it."""

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        """`variables` are the process's environment, of `skaprof.subprocesses.environment` by default."""
        self.variables = variables
        self._process: _Process | None = None

    def call(self, function: str, task: object, longest: float) -> Reply:
        """What "module:function" gives for the task; both travel as JSON.

        Args:
            longest: seconds after which the process is ended.
        """
        if self._process is None or self._process.is_over:
            try:
                self._process = _Process(environment() if self.variables is None else self.variables)
            except OSError as error:
                return Reply(trouble=f"its process could not be started: {error}")
        return self._process.call([function, task], longest)

    def end(self) -> None:
        """End the process, in the middle of whatever it does; a call that waits for it says so."""
        if self._process is not None:
            self._process.end()


class _Process:
    def __init__(self, variables: Mapping[str, str]) -> None:
        self.is_over = False
        self._last_words: deque[bytes] = deque(maxlen=_LAST_LINES)
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        started: SimpleQueue[subprocess.Popen[bytes] | OSError] = SimpleQueue()
        self._tending = Thread(target=self._tend, args=(variables, started), daemon=True)
        self._tending.start()
        found = started.get()
        if isinstance(found, OSError):
            raise found
        self.popen = found

    def _tend(self, variables: Mapping[str, str], started: SimpleQueue[subprocess.Popen[bytes] | OSError]) -> None:
        """Start it, and listen until it ends: Linux ends it with the thread that started it, not with its process."""
        command, pipe = python_that_calls("skaprof.lasting_python"), subprocess.PIPE
        try:
            popen = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=dict(variables), **OWN_GROUP)
        except OSError as error:
            started.put(error)
            return
        assert popen.stdout is not None
        assert popen.stderr is not None
        Thread(target=self._hear, args=(popen.stdout,), daemon=True).start()
        started.put(popen)
        self._last_words.extend(popen.stderr)
        popen.wait()

    def _hear(self, stdout: BinaryIO) -> None:
        for line in stdout:
            self._lines.put(line)
        self._lines.put(None)

    def call(self, told: object, longest: float) -> Reply:
        stdin = self.popen.stdin
        assert stdin is not None
        with suppress(OSError):  # it died: its answer, which does not come, tells
            stdin.write(json.dumps(told).encode() + b"\n")
            stdin.flush()
        try:
            line = self._lines.get(timeout=longest)
        except Empty:
            self.end()
            return Reply(trouble=f"it gave no answer within {longest:g} s")
        if line is None:
            with suppress(subprocess.TimeoutExpired):
                self.popen.wait(_LEAVE)
            self.end()
            words = b"".join(self._last_words).decode(errors="replace")
            return Reply(trouble=ended_badly(self.popen.returncode, words))
        return Reply(**json.loads(line))

    def end(self) -> None:
        self.is_over = True
        kill(self.popen)
        self._tending.join(_LEAVE)
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream is not None:
                with suppress(OSError):
                    stream.close()


def serve(parent: int) -> None:
    """What the process does: the calls that it is told of, for as long as its parent lives."""
    end_with(parent)
    tasks: SimpleQueue[bytes] = SimpleQueue()
    told = os.fdopen(os.dup(0), "rb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # whoever reads stdin from now on finds it empty
    Thread(target=_listen, args=(told, tasks), daemon=True).start()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)  # what is printed here is no answer
        while True:
            function, task = json.loads(tasks.get())
            answers.write(json.dumps(_reply(function, task)._asdict()) + "\n")
            answers.flush()


def _listen(told: BinaryIO, tasks: SimpleQueue[bytes]) -> None:
    for line in told:
        tasks.put(line)
    os._exit(1)  # the other end is closed, which is when its holder has gone


def _reply(function: str, task: object) -> Reply:
    module, _, name = function.partition(":")
    try:
        return Reply(getattr(import_module(module), name)(task))
    except SkaprofError as error:
        return Reply(refused=error.marked)
