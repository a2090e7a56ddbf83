"""Submodules that a model runs by `.forward(x)`: in a block of this they are called, so that hooks hear of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import Any

import torch
from torch import nn


@contextmanager
def forward_is_a_call(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Each module's `forward`, where the model runs that itself, as a call of the module for the time of the block.

    Hooks, and what counts by them, hear of calls alone. A scripted module is left as it is.
    """
    with ExitStack() as stack:
        for module in dict.fromkeys(modules):
            if not isinstance(module, torch.jit.ScriptModule) and callable(getattr(module, "forward", None)):
                stack.enter_context(_called(module))
        yield


@contextmanager
def _called(module: nn.Module) -> Iterator[None]:
    own, forward = module.__dict__.get("forward"), module.forward
    heard: list[None] = []  # of calls whose forward is yet to run
    calling: list[None] = []  # a module may have a call of its own, that runs its forward without hooks

    @wraps(forward)  # what it takes is asked by name
    def run(*inputs: Any, **named: Any) -> Any:
        if heard:
            heard.pop()
        elif not calling:
            calling.append(None)
            try:
                return module(*inputs, **named)
            finally:
                calling.clear()
        return forward(*inputs, **named)

    hook = module.register_forward_pre_hook(lambda *_: heard.append(None))
    module.forward = run
    try:
        yield
    finally:
        hook.remove()
        if own is None:
            del module.__dict__["forward"]
        else:
            module.forward = own
