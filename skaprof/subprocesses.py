"""Parts of skaprof in a process of their own: what dies there takes nothing else with it, and what hangs is ended.

A process lives no longer than the one that started it, whatever ends that: it holds the other end of a pipe that closes
with its parent, and on Linux the kernel kills it besides, in the middle of whatever it does.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

_ROOT = Path(__file__).resolve().parents[1]
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""
OWN_GROUP: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {}
"""How a process is started so that it is killed with those that it started."""
_NEEDED = re.compile(
    "PATH|HOME|USER|LOGNAME|LANG|LANGUAGE|TZ|TMPDIR|TEMP|TMP|CC|CXX|CPATH|LIBRARY_PATH|VIRTUAL_ENV|CONDA_PREFIX"
    "|SYSTEMROOT|SYSTEMDRIVE|WINDIR|COMSPEC|PATHEXT|USERPROFILE|APPDATA|LOCALAPPDATA|PROGRAMDATA"
    "|(LC|LD|DYLD|XDG|SKAPROF|MALLOC|OMP|GOMP|KMP|MKL|OPENBLAS|VECLIB|DNNL|ONEDNN|ATEN|HIP|ROCM|ROCR|HSA)_.*"
    "|(PYTHON|TORCH|PYTORCH|TRITON|CUDA|CUDNN|CUBLAS|NVIDIA).*",
    re.IGNORECASE,
)
"""Variables that Python, compilers and PyTorch read. No other is handed on: what runs there is code of others, and the
environment is where people keep their keys."""


class Ended(NamedTuple):
    """How a process ended and what it wrote; `trouble` says in words what was wrong, None where it ended well."""

    output: str
    trouble: str | None


def run_python(module: str, function: str, task: object, longest: float) -> Ended:
    """One call of a function of this package in a fresh process, given the task, which travels as JSON.

    Args:
        longest: seconds after which the process and those that it started are killed.
    """
    reader, writer = os.pipe()
    command, pipe = python_that_calls("skaprof.subprocesses", module, function), subprocess.PIPE
    with subprocess.Popen(command, stdin=reader, stdout=pipe, stderr=pipe, env=environment(), **OWN_GROUP) as process:
        os.close(reader)
        handing_over = Thread(target=hand_over, args=(writer, json.dumps(task).encode() + b"\n"), daemon=True)
        handing_over.start()
        try:
            output, errors = process.communicate(timeout=longest)
        except subprocess.TimeoutExpired as error:
            return Ended(text_of(error.output), f"it gave no answer within {longest:g} s")
        finally:
            kill(process)
            handing_over.join()
            os.close(writer)
    return Ended(text_of(output), ended_badly(process.returncode, text_of(errors)) if process.returncode else None)


def python_that_calls(module: str, *arguments: object) -> list[str]:
    """The command of a fresh interpreter that calls a module's `serve` with these, and the number of this process."""
    program = f"import sys; sys.path.append({str(_ROOT)!r}); from {module} import serve; "
    program += f"serve({', '.join(map(repr, (*arguments, os.getpid())))})"
    # -P: no file in the user's folder stands in for a module of the standard library
    return [sys.executable, "-P", "-c", program]


def environment() -> dict[str, str]:
    """The variables that a process of ours is given."""
    return {name: value for name, value in os.environ.items() if _NEEDED.fullmatch(name)}


def serve(module: str, function: str, parent: int) -> None:
    """What the fresh process does: the call that its parent asked for, for as long as that lives."""
    end_with(parent)
    task = json.loads(sys.stdin.buffer.readline())
    lifeline = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)  # whoever reads stdin from now on finds it empty
    Thread(target=_end_after, args=(lifeline,), daemon=True).start()
    getattr(import_module(module), function)(task)


def end_with(parent: int) -> None:
    """On Linux, have this process killed when its parent ends, even while a library holds on to the interpreter."""
    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):  # another C library: then the pipe alone tells
        from ctypes import CDLL

        CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))
    if os.getppid() != parent:  # it ended before it could be watched
        os._exit(1)


def _end_after(lifeline: int) -> None:
    os.read(lifeline, 1)  # comes back when the last holder of the other end has gone: nothing is ever written
    os._exit(1)


def hand_over(writer: int, data: bytes) -> None:
    """Write all of it, to whoever reads at the other end."""
    with suppress(OSError):  # it died before it had read its task
        while data:
            data = data[os.write(writer, data) :]


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process that still runs, and what it started."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def text_of(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def ended_badly(code: int, errors: str) -> str:
    """How a process ended, and its last words."""
    last_words = (errors.strip().splitlines() or ["no message"])[-1][:300]
    return f"its process ended with code {code}: {last_words}"
