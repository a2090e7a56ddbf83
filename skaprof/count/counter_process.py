"""What a counter's own process does: load it, build each case, and tell what it says and what it does besides.

A counter may print, exit, hang and replace functions here: the audit reads its answers from a stream of their own.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib import import_module
from math import isfinite
from tempfile import TemporaryFile
from threading import Timer
from typing import Any, TextIO

from skaprof.count.asked import Answer, Case, Said
from skaprof.count.side_effects import watched
from skaprof.subprocesses import end_with, ended_badly

Counts = Mapping[str, Callable[..., Any]]
"""A counter's function of a module and an input, by mode."""
_LONGEST_BACKSTOP = 10.0
"""Seconds after the limit, and after as long again, at which a counter that holds the interpreter is ended with it."""


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
    """The answers of the counter whose loaders the task names, by mode.

    Where the task says that it may be forked, of every case but those after a hang: the counter is loaded once, and
    what a count that fails leaves behind goes with its fork. Elsewhere, up to the first error. Where it takes longer
    than the task's limit to load, or for a case, this process says so on `stdout`, and ends.
    """
    try:
        with _limited(task["limit"], stdout):
            counts = {mode: _named(loader)() for mode, loader in task["loaders"].items()}
    except (Exception, SystemExit) as error:
        yield from [Answer(error=f"it cannot be loaded: {said(error)}")] * len(cases)
        return
    if not task.get("forks"):
        yield from _up_to_the_first_error(counts, task, cases, stdout)
        return
    told = 0
    hung = False
    while told < len(cases) and not hung:
        for answer in _in_a_fork(counts, task, cases[told:]):
            yield answer
            told += 1
            hung = answer.error == too_long(task["limit"])


def _in_a_fork(counts: Counts, task: Mapping[str, Any], cases: Sequence[Case]) -> Iterator[Answer]:
    """The answers of a fork of this process: one or more, the last of them an error where it ended early."""
    with TemporaryFile() as errors:
        reader, writer = os.pipe()
        parent, child = os.getpid(), os.fork()
        if not child:
            end_with(parent)
            os.close(reader)
            os.dup2(errors.fileno(), 2)
            with os.fdopen(writer, "w", buffering=1) as told:
                for answer in _up_to_the_first_error(counts, task, cases, told):
                    _tell(told, answer)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as told:
            number = 0
            for answer in read_answers(told):
                number += 1
                yield answer
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        errors.seek(0)
        trouble = _trouble(code, errors.read().decode(errors="replace"), task["limit"]) if code else None
    yield from died(number, len(cases), trouble)


def read_answers(lines: Iterable[str]) -> Iterator[Answer]:
    """The answers that a process told, without the line that it was killed in."""
    for line in lines:
        if line.rstrip().endswith("}"):
            answer = json.loads(line)
            yield Answer(**answer | {"side_effects": tuple(answer["side_effects"])})


def died(answers: int, cases: int, trouble: str | None) -> Iterator[Answer]:
    """What a process that gave so many answers of so many says of the next case, where it died of that."""
    if answers < cases and (trouble or not answers):
        yield Answer(error=trouble or "its process ended without an answer")


def _trouble(code: int, errors: str, limit: float) -> str:
    """How a fork ended: by its own deed, or by faulthandler, which says so."""
    return too_long(limit) if "\nTimeout (" in f"\n{errors}" else ended_badly(code, errors)


def _up_to_the_first_error(
    counts: Counts, task: Mapping[str, Any], cases: Sequence[Case], stdout: TextIO | None
) -> Iterator[Answer]:
    """The answers up to the first error, after which functions may be replaced still."""
    for case in cases:
        try:
            module, x = _named(task["builders"][case.framework])(case)
        except Exception as error:
            yield Answer(error=f"there is no such module here: {said(error)}")
            continue
        with _limited(task["limit"], stdout):
            answer = _counted(counts[case.mode], module, x)
        yield answer
        if answer.error:
            return


@contextmanager
def _limited(seconds: float, stdout: TextIO | None) -> Iterator[None]:
    if stdout is None:
        yield
        return

    def end() -> None:
        _tell(stdout, Answer(error=too_long(seconds)))
        os._exit(0)

    faulthandler.dump_traceback_later(seconds + min(seconds, _LONGEST_BACKSTOP), exit=True)
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
    """The error's type and first line, and those of what it was raised from."""
    if isinstance(error, SystemExit):
        return f"it exits the interpreter, with code {error.code}"
    text = f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0][:200]}"
    return text if error.__cause__ is None else f"{text.rstrip(':')}, because of {said(error.__cause__)}"
