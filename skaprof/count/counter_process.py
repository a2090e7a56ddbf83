"""What a counter's own process does: load it, build each case, and tell what it says and what it does besides.

A counter may print, exit, hang and replace functions here: the audit reads its answers from a stream of their own.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from math import isfinite
from tempfile import TemporaryFile
from threading import Timer
from typing import Any, TextIO

from skaprof.count.asked import Answer, Case, Said
from skaprof.count.side_effects import watched

_BACKSTOP = 10.0
"""Seconds after the limit at which a counter that holds the interpreter is ended with it."""


def too_long(limit: float) -> str:
    """What is said of a counter that is still at it."""
    return f"it gave no answer within {limit:g} s"


def work(task: Mapping[str, Any]) -> None:
    """One answer a line on stdout, which counters cannot reach: theirs is a file, whose growth tells who prints."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before PyTorch is loaded: other counters run beside this one
    with os.fdopen(os.dup(1), "w", buffering=1) as stdout, TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        cases = [Case(**case | {"sizes": tuple(case["sizes"])}) for case in task["cases"]]
        for answer in answers_of(task, cases, stdout):
            _tell(stdout, answer)


def _tell(stdout: TextIO, answer: Answer) -> None:
    stdout.write(json.dumps(asdict(answer)) + "\n")


def answers_of(task: Mapping[str, Any], cases: Sequence[Case], stdout: TextIO | None = None) -> Iterator[Answer]:
    """The answers of the counter whose loaders the task names, by mode, up to its first error.

    Where it takes longer than the task's limit for a case, this process says so on `stdout`, and ends.
    """
    limit = task["limit"]
    try:
        with _limited(limit, stdout):
            counts = {mode: _named(loader)() for mode, loader in task["loaders"].items()}
    except (Exception, SystemExit) as error:
        yield from [Answer(error=f"it cannot be loaded: {said(error)}")] * len(cases)
        return
    for case in cases:
        try:
            module, x = _named(task["builders"][case.framework])(case)
        except Exception as error:
            yield Answer(error=f"there is no such module here: {said(error)}")
            continue
        with _limited(limit, stdout):
            answer = _counted(counts[case.mode], module, x)
        yield answer
        if answer.error:  # it may have functions replaced still
            return


@contextmanager
def _limited(seconds: float, stdout: TextIO | None) -> Iterator[None]:
    if stdout is None:
        yield
        return

    def end() -> None:
        _tell(stdout, Answer(error=too_long(seconds)))
        os._exit(0)

    faulthandler.dump_traceback_later(seconds + _BACKSTOP, exit=True)
    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


def _counted(count: Callable[..., Any], module: Any, x: Any) -> Answer:
    effects = watched(module)
    before = _printed()
    start = time.perf_counter()
    try:
        found = count(module, x)
    except (Exception, SystemExit) as error:
        return Answer(error=said(error))
    seconds = time.perf_counter() - start
    what = found if isinstance(found, Said) else Said(found)
    wrong = next((value for value in what if value is not None and not isfinite(value)), None)
    if wrong is not None:
        return Answer(error=f"it counted {wrong}")
    does = (*(("prints",) if _printed() > before else ()), *effects())
    counted, params, memory = (None if value is None else float(value) for value in what)
    return Answer(counted, seconds, None, params, memory, does)


def _printed() -> int:
    """How much is in the file that this process prints to; 0 where it prints to none."""
    sys.stdout.flush()
    try:
        return os.fstat(1).st_size
    except OSError:
        return 0


def _named(path: str) -> Callable[..., Any]:
    """The function that "module:function" names."""
    module, _, function = path.partition(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found


def said(error: BaseException) -> str:
    """The error's type and first line."""
    if isinstance(error, SystemExit):
        return f"it exits the interpreter, with code {error.code}"
    text = (str(error).strip() or "no message").splitlines()[0][:200]
    return f"{type(error).__name__}: {text}"
