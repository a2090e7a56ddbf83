"""Parts of skaprof in processes of their own that start in a moment: forks of one that has loaded what they all need.

What `skaprof.subprocesses` says of a process holds of each. Where a system cannot fork, each is started afresh.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from threading import Lock, Thread

from skaprof.subprocesses import Ended, end_with, ended_badly, environment, hand_over, python_that_calls, run_python
from skaprof.subprocesses import serve as serve_one

Run = Callable[[object, float], Ended]
"""One call, given the task and the seconds after which it is ended."""
_LOOK = 0.02
"""Seconds between two looks at whether one of the forks has ended."""


@contextmanager
def warm_python(module: str, function: str, loaded: Sequence[str]) -> Iterator[Run]:
    """What calls a function of this package in processes of its own, which have these modules loaded."""
    if not hasattr(os, "fork") or not loaded:
        yield partial(run_python, module, function)
        return
    ours, theirs = socket.socketpair()
    command = python_that_calls("skaprof.warm_python", module, function, list(loaded))
    quiet = subprocess.DEVNULL
    with (
        ours,
        subprocess.Popen(
            command, stdin=theirs.fileno(), stdout=quiet, stderr=quiet, env=environment(), process_group=0
        ) as process,
    ):
        theirs.close()
        try:
            yield partial(_call, ours, Lock())
        finally:
            process.kill()


def _call(control: socket.socket, lock: Lock, task: object, longest: float) -> Ended:
    """One call in a fork, from whichever thread."""
    deadline = time.monotonic() + longest
    given, output, errors, status = (os.pipe() for _ in range(4))
    theirs = (given[0], output[1], errors[1], status[1])
    try:
        with lock:
            socket.send_fds(control, [b"!"], theirs)
    except OSError as error:
        return Ended("", f"its process could not be started: {error}")
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    data = json.dumps(task).encode() + b"\n"
    handing_over = Thread(target=hand_over, args=(given[1], data), daemon=True)
    handing_over.start()
    found = _read_all((output[0], errors[0], status[0]), deadline)
    written, said, ended = (found[reader].decode(errors="replace") for reader in (output[0], errors[0], status[0]))
    number, _, code = ended.partition("\n")
    if not code and number:
        with suppress(ProcessLookupError):
            os.killpg(int(number), signal.SIGKILL)
    handing_over.join()
    for descriptor in (given[1], output[0], errors[0], status[0]):
        os.close(descriptor)
    if not code:
        return Ended(
            written, f"it gave no answer within {longest:g} s" if number else "its process could not be started"
        )
    return Ended(written, ended_badly(int(code), said) if int(code) else None)


def _read_all(readers: Sequence[int], deadline: float) -> dict[int, bytes]:
    """What comes through each of them until all are closed, or until then."""
    found = dict.fromkeys(readers, b"")
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                data = os.read(key.fd, 65_536)
                found[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
    return found


def serve(module: str, function: str, loaded: Sequence[str], parent: int) -> None:
    """What the process does that forks: for each call that it is told of, and for as long as its parent lives."""
    end_with(parent)
    control = socket.socket(fileno=os.dup(0))
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch is loaded: the forks run beside each other
    for name in loaded:
        with suppress(ImportError):  # whoever needs it will say so
            import_module(name)
    running: dict[int, int] = {}
    while True:
        if _is_told(control, _LOOK if running else None):
            told, descriptors, _, _ = socket.recv_fds(control, 1, 4)
            if not told:
                os._exit(0)
            number, status = _fork(module, function, descriptors, (control.fileno(), *running.values()))
            running[number] = status
        for number in list(running):
            ended, code = os.waitpid(number, os.WNOHANG)
            if ended:
                status = running.pop(number)
                with suppress(OSError):  # nobody waits for it any more
                    os.write(status, f"{os.waitstatus_to_exitcode(code)}".encode())
                os.close(status)


def _is_told(control: socket.socket, longest: float | None) -> bool:
    """Whether there is something to read, now or within so many seconds."""
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        return bool(selector.select(longest))


def _fork(module: str, function: str, descriptors: Sequence[int], ours_alone: Sequence[int]) -> tuple[int, int]:
    """The number of a new process that makes the call, and where to write how it ended.

    It keeps none of `ours_alone`: whoever waits for another fork does so until nobody can write how that ended.
    """
    *streams, status = descriptors
    ours = os.getpid()
    number = os.fork()
    if not number:
        for descriptor in ours_alone:
            os.close(descriptor)
        os.setpgid(0, 0)
        for target, source in enumerate(streams):
            os.dup2(source, target)
            os.close(source)
        os.close(status)
        os._exit(_outcome(module, function, ours))
    with suppress(OSError):
        os.setpgid(number, number)
    os.write(status, f"{number}\n".encode())
    for descriptor in streams:
        os.close(descriptor)
    return number, status


def _outcome(module: str, function: str, parent: int) -> int:
    """Make the call; the exit code that an interpreter would end with."""
    try:
        serve_one(module, function, parent)
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # the last words of this process
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0
