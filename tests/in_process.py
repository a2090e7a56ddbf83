"""A command run in this process as a process of its own would run it, and the proof that it leaves nothing behind.

Most commands need no process of their own: with PyTorch loaded once for all, a test costs milliseconds where a process
costs seconds. What only a process shows (which packages are loaded, signals, pipes, terminals, the environment an
interpreter reads at its start) is tested with the fixture `skaprof_process`.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skaprof.cli.app import main

ROOT = Path(__file__).resolve().parent.parent
MAY_BE_SET = ("_TYPER_", "KINETO_", "TORCHINDUCTOR_", "_TORCHINDUCTOR_")
"""How names begin that a command may set in its own environment: for the packages it calls, or by PyTorch itself."""


def run_here(
    *arguments: str, cwd: str | Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `skaprof ARGUMENTS...` in the folder `cwd` with the environment `env` and return what it did.

    Raises:
        AssertionError: something of the process is not as it was before: of PyTorch, matplotlib, warnings or signals.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        with _own_arguments(arguments, cwd, env), _streams_to(out.fileno(), err.fileno()):
            before = process_state()
            code = main()
            changed = differences(before, process_state())
        assert changed == [], f"skaprof {' '.join(arguments)} changed its process: {changed}"
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(["skaprof", *arguments], code, out.read(), err.read())


@contextmanager
def _own_arguments(arguments: tuple[str, ...], cwd: str | Path | None, env: Mapping[str, str] | None) -> Iterator[None]:
    """Arguments, folder, environment, module search path and warnings as a new process has them; then put back."""
    argv, folder, environment, path = sys.argv, os.getcwd(), dict(os.environ), list(sys.path)
    loaded = set(sys.modules)
    sys.argv = ["skaprof", *arguments]
    _set_environment(env or {**environment, "COLUMNS": "200", "NO_COLOR": "1"})
    sys.path[:0] = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder not in path]
    os.chdir(cwd or folder)
    try:
        with warnings.catch_warnings(), _tf32_put_back():
            _warn_as_an_interpreter()
            yield
    finally:
        sys.argv, sys.path[:] = argv, path
        os.chdir(folder)
        _set_environment(environment)
        for name in set(sys.modules) - loaded:
            if _is_the_users(sys.modules[name]):
                del sys.modules[name]


@contextmanager
def _tf32_put_back() -> Iterator[None]:
    """TF32 as it was: `latency` switches it for its process, on purpose."""
    before = _tf32() or (False, True)  # as PyTorch has it where it is loaded first
    try:
        yield
    finally:
        if _tf32() not in ((), before):
            import torch

            torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before


def _tf32() -> tuple[bool, ...]:
    torch = sys.modules.get("torch")
    return (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) if torch else ()


def _set_environment(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


def _warn_as_an_interpreter() -> None:
    """Warnings go to stderr, by the rules that Python starts with; pytest would keep them."""
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("error", category=DeprecationWarning, module="skaprof")
    warnings.showwarning = _show_on_stderr


def _show_on_stderr(message: Any, category: Any, file: str, line: int, *_: Any) -> None:
    sys.stderr.write(warnings.formatwarning(message, category, file, line))


def _is_the_users(module: Any) -> bool:
    """Whether a module is a file that a test wrote or keeps, which another test may have under the same name."""
    file = Path(getattr(module, "__file__", None) or sys.executable)
    if any(file.is_relative_to(place) for place in (sys.prefix, ROOT / "skaprof")):
        return False  # an environment or a clone may stand among temporary files itself
    return file.is_relative_to(ROOT / "tests") or file.is_relative_to(tempfile.gettempdir())


@contextmanager
def _streams_to(out: int, err: int) -> Iterator[None]:
    """File descriptors 1 and 2, which child processes inherit, and `sys.stdout` and `sys.stderr` on top of them."""
    streams, kept = (sys.stdout, sys.stderr), (os.dup(1), os.dup(2))
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # for as long as the command runs
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  # as above
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        sys.stdout, sys.stderr = streams
        for number, descriptor in enumerate(kept, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)


def process_state() -> dict[str, Any]:
    """What a command might leave changed for whatever runs after it in this process."""
    watched = (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE)
    state: dict[str, Any] = {
        "folder": os.getcwd(),
        "environment": {name: value for name, value in os.environ.items() if not name.startswith(MAY_BE_SET)},
        "signal handlers": [signal.getsignal(number) for number in watched],
        "log handlers": [*logging.getLogger().handlers, logging.getLogger().level],
        "warnings": [found for found in warnings.filters if _is_blanket(found)],
        "trace": (sys.gettrace(), sys.getprofile()),
    }
    if (torch := sys.modules.get("torch")) is not None:
        state |= {
            "torch gradients": torch.is_grad_enabled(),
            "torch inference mode": torch.is_inference_mode_enabled(),
            "torch dtype": torch.get_default_dtype(),
            "torch device": torch.get_default_device(),
            "torch threads": torch.get_num_threads(),
            "torch deterministic": torch.are_deterministic_algorithms_enabled(),
            "torch anomaly mode": torch.is_anomaly_enabled(),
        }
    if (pyplot := sys.modules.get("matplotlib.pyplot")) is not None:
        state["matplotlib figures"] = pyplot.get_fignums()
    if (matplotlib := sys.modules.get("matplotlib")) is not None:
        names = set(matplotlib.rcParams) - {"backend"}  # to read it would choose one
        state["matplotlib"] = {name: dict.__getitem__(matplotlib.rcParams, name) for name in names}
    return state


def _is_blanket(found: Any) -> bool:
    """Whether a warnings filter is for all modules; packages that are imported bring some for messages of their own."""
    _, message, category, module, _ = found
    return message is None and module is None and category.__module__ == "builtins"


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """The names of what is not as it was; what a first import brought was not there before."""
    return [name for name, value in before.items() if after[name] != value]
