"""Which submodule runs, forward and backward: by its calls, and by the numbers that autograd gives its nodes."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from skaprof.nn.user_model import tensors_in as tensors_given
from skaprof.process_wide import PROCESS_WIDE

Shapes = tuple[tuple[int, ...], ...]


@contextmanager
def hooks_unmentioned() -> Iterator[None]:
    """Without PyTorch's warning that hooks of all modules run twice for compiled ones: those here heed that."""
    with PROCESS_WIDE, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using `torch.compile")
        yield


class RunningModule:
    """Follows the calls of a module's submodules in this thread, each under its first name.

    Work of the backward belongs to the submodule whose forward made the node of autograd that does it.
    """

    def __init__(self, module: nn.Module) -> None:
        self._names = {id(part): name for name, part in module.named_modules()}
        self._stack: list[tuple[int, str]] = [(0, "")]
        self._numbers = [0]
        self._scopes = [""]
        self._thread = get_ident()
        self._handles: list[Any] = []
        self.shapes: dict[str, Shapes] = {}
        """Of what each submodule gave at its first call."""

    def __enter__(self) -> RunningModule:
        self._handles = [
            register_module_forward_pre_hook(self._begin),
            register_module_forward_hook(self._end),
        ]
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def scope(self) -> str:
        """The name of the submodule that runs now, "" for the whole."""
        if len(self._stack) > 1:
            return self._stack[-1][1]
        node = torch._C._current_autograd_node()
        if node is None:
            return ""
        return self._scopes[bisect_right(self._numbers, node._sequence_nr()) - 1]

    def _begin(self, module: nn.Module, inputs: Any) -> None:
        if get_ident() == self._thread:
            self._stack.append((id(module), self._names.get(id(module), self._stack[-1][1])))
            self._note()

    def _end(self, module: nn.Module, inputs: Any, output: Any) -> None:
        if get_ident() != self._thread:
            return
        name = self._names.get(id(module))
        if name is not None and name not in self.shapes:
            self.shapes[name] = shapes_of(output)
        if any(key == id(module) for key, _ in self._stack):
            while self._stack.pop()[0] != id(module):  # those above it were left by an error that was caught
                pass
        self._note()

    def _note(self) -> None:
        """The nodes made from now on are this scope's."""
        number = torch._C._autograd._get_sequence_nr()
        if number == self._numbers[-1]:
            self._scopes[-1] = self._stack[-1][1]
        else:
            self._numbers.append(number)
            self._scopes.append(self._stack[-1][1])


def shapes_of(output: Any) -> Shapes:
    """The shape of each tensor in what a module gave."""
    with torch._C.DisableTorchFunction():
        if isinstance(output, Tensor):
            return (_shape(output),)
        return tuple(map(_shape, tensors_given(output)))


def _shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of a tensor; of a nested one without a shape, none."""
    return () if tensor.is_nested and tensor.layout is torch.strided else tuple(tensor.shape)
