"""The call that is timed: a module, in the form, layout and attention backend that its implementation asks for."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from skaprof.bench.failures import CallError
from skaprof.implementations import Implementation

_SDPA_BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "math": SDPBackend.MATH,
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: forward, or forward and backward with respect to input and parameters."""

    run_module: Callable[[Tensor], Tensor]
    module: nn.Module
    x: Tensor
    gradient: Tensor | None

    def __call__(self) -> None:
        """Run it once.

        Raises:
            CallError: it fails.
        """
        try:
            if self.gradient is None:
                with torch.no_grad():
                    self.run_module(self.x)
                return
            self.forget()
            self.run_module(self.x).backward(self.gradient)
        except (Exception, SystemExit) as error:  # the module may be anybody's
            raise CallError(self) from error

    def forget(self) -> None:
        """Drop the gradients of the last call."""
        self.x.grad = None
        self.module.zero_grad(set_to_none=True)


def context_of(how: Implementation) -> Callable[[], AbstractContextManager[object]]:
    """What pins the attention backend. PyTorch takes some 25 us to enter it: once a block, not once a call."""
    return (lambda: sdpa_kernel(_SDPA_BACKENDS[how.backend])) if how.backend else nullcontext


def runnable(module: nn.Module, how: Implementation) -> Callable[[Tensor], Tensor]:
    """What runs the module, its convolutions' weights laid out as the implementation has them."""
    if how.channels_last:
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # its stub lacks it
    return _compiled(module) if how.compiled else module


def _compiled(module: nn.Module) -> Callable[[Tensor], Tensor]:
    """The module compiled for its shape. Past some shapes Dynamo would quietly run it uncompiled: raise its limit.

    Its fused loops tell the profiler their names, which costs some 50 ns a loop where no profiler listens.
    """
    from torch._dynamo import config
    from torch._inductor import config as inductor

    for name in ("recompile_limit", "cache_size_limit", "accumulated_recompile_limit", "accumulated_cache_size_limit"):
        if hasattr(config, name):
            setattr(config, name, 100_000)
    inductor.cpp.enable_kernel_profile = True
    run: Callable[[Tensor], Tensor] = torch.compile(module, dynamic=False)
    return run


def call_of(run_module: Callable[[Tensor], Tensor], module: nn.Module, x: Tensor, output: Tensor, mode: str) -> Call:
    """The call that is timed; in training, with a random gradient of the shape of `output`."""
    if mode == "forward":
        return Call(run_module, module, x, None)
    return Call(run_module, module, x.requires_grad_(x.is_floating_point()), torch.randn_like(output))
