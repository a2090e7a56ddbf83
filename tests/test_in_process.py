"""Commands run inside the tests' process leave it as it was, and one that did not would be seen."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import in_process
import matplotlib
import pytest
import torch
from conftest import Run
from matplotlib import pyplot


def plant(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Every command does `act` before its own work."""
    true = in_process.main
    monkeypatch.setattr(in_process, "main", lambda: (act(), true())[1])


@contextmanager
def kept(read: Callable[[], Any], write: Callable[[Any], Any]) -> Iterator[None]:
    """What is read before is written back after."""
    value = read()
    try:
        yield
    finally:
        write(value)


LEAKS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], Callable[[], Any]]] = {
    "torch gradients": (torch.is_grad_enabled, torch.set_grad_enabled, lambda: torch.set_grad_enabled(False)),
    "torch threads": (torch.get_num_threads, torch.set_num_threads, lambda: torch.set_num_threads(7)),
    "torch dtype": (torch.get_default_dtype, torch.set_default_dtype, lambda: torch.set_default_dtype(torch.float64)),
    "matplotlib": (
        lambda: matplotlib.rcParams["font.size"],
        lambda size: matplotlib.rcParams.update({"font.size": size}),
        lambda: matplotlib.rcParams.update({"font.size": 99}),
    ),
    "matplotlib figures": (list, lambda _: pyplot.close("all"), pyplot.figure),
    "signal handlers": (
        lambda: signal.getsignal(signal.SIGTERM),
        lambda handler: signal.signal(signal.SIGTERM, handler),
        lambda: signal.signal(signal.SIGTERM, signal.SIG_IGN),
    ),
    "warnings": (list, lambda _: None, lambda: warnings.simplefilter("ignore")),
    "environment": (list, lambda _: None, lambda: os.environ.update({"OMP_NUM_THREADS": "7"})),
    "folder": (list, lambda _: None, lambda: os.chdir("/")),
}


@pytest.mark.parametrize("name", LEAKS)
def test_a_command_that_leaves_something_changed_is_a_fault(
    skaprof: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    read, write, leak = LEAKS[name]
    plant(monkeypatch, leak)
    with kept(read, write), pytest.raises(AssertionError, match=rf"changed its process: \['{name}"):
        skaprof("flops")
    monkeypatch.undo()
    assert skaprof("flops").returncode == 0


def test_it_has_arguments_folder_and_streams_of_its_own(skaprof: Run, tmp_path: Path) -> None:
    before = (sys.argv, os.getcwd(), dict(os.environ), list(sys.path), sys.stdout, sys.stderr)
    done = skaprof("flops", "--output", "costs.json", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "wrote costs.json\n")
    assert (tmp_path / "costs.json").is_file()
    assert before == (sys.argv, os.getcwd(), dict(os.environ), list(sys.path), sys.stdout, sys.stderr)


def test_a_warning_goes_to_stderr(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lambda: warnings.warn("oh", stacklevel=1))
    assert "UserWarning: oh" in skaprof("flops").stderr


def test_what_a_child_process_prints_is_captured(skaprof: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch, lambda: os.system("echo x >&2"))
    assert skaprof("flops").stderr == "x\n"


def test_a_users_module_is_forgotten(skaprof: Run, tmp_path: Path) -> None:
    for dim in (2, 3):
        folder = tmp_path / str(dim)
        folder.mkdir()
        text = f"from torch import nn\nclass Own(nn.Linear):\n    def __init__(self): super().__init__(256, {dim})\n"
        (folder / "own_layer.py").write_text(text)
        assert f"(1, 196, {dim})" in skaprof("flops", "--module", "own_layer:Own", cwd=folder).stderr


def test_it_says_what_a_process_of_its_own_says(skaprof: Run, skaprof_process: Run) -> None:
    for arguments in (("flops", "--dim", "64"), ("flops", "--dim", "0"), ("flosp",), ("model", "--help")):
        here, there = skaprof(*arguments), skaprof_process(*arguments)
        assert (here.returncode, here.stdout, here.stderr) == (there.returncode, there.stdout, there.stderr)
