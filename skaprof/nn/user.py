"""A user's module, built and run: on meta where it can, so that its size does not matter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.errors import SkaprofError, named, shown
from skaprof.foreign_code import UserModule, attempted, load_callable, require_same_shape
from skaprof.workload import Workload

DEVICES = ("meta", "cpu")
"""Where a module is tried: without memory, then with, as some code does not run on meta tensors."""


def build_user(option: str, path: str, keywords: dict[str, Any]) -> nn.Module:
    """The module that the user's class or function gives, in evaluation mode, on the default device.

    Raises:
        SkaprofError: it cannot be imported or built, with its own error, or is no module.
    """
    with torch.device("cpu"):  # what a file makes when it is imported is not made anew on another device
        make = load_callable(option, path)
    given = ", ".join(f"{name}={value!r}" for name, value in keywords.items())

    def build() -> Any:
        module = make(**keywords)
        return module.eval() if isinstance(module, nn.Module) else module

    module = attempted(option, f"{path}({given}) cannot be built", build)
    if not isinstance(module, nn.Module):
        raise SkaprofError(f"{option}: {shown(path)} gives {type(module).__name__}: expected a torch.nn.Module")
    return module


def built_mixer(
    user: UserModule, w: Workload, dtype: str, device: str, option: str = named("module")
) -> tuple[nn.Module, Tensor]:
    """A mixer of the user's and an input of its layout; it was run once, and its output has its input's shape.

    Raises:
        SkaprofError: as `build_user`; or it fails to run, with its own error, or gives another shape.
    """
    module, x = unrun_mixer(user, w, dtype, device, option)
    output = ran(option, user.path, module, x)
    require_same_shape(option, user.path, tuple(x.shape), output)
    return module, x


def unrun_mixer(
    user: UserModule, w: Workload, dtype: str, device: str, option: str = named("module")
) -> tuple[nn.Module, Tensor]:
    """A mixer of the user's that has not run yet, and an input of its layout.

    Raises:
        SkaprofError: as `build_user`.
    """
    torch_dtype = getattr(torch, dtype)
    with torch.device(device):
        built = build_user(option, user.path, user.keywords(w))
        module = attempted(option, f"{user.path} cannot be put into {dtype}", lambda: cast(built, torch_dtype))
        return module, torch.randn(user.shape(w), dtype=torch_dtype)


def cast(module: nn.Module, dtype: torch.dtype) -> nn.Module:
    """The module with its floating-point parameters and buffers in `dtype`, in place.

    Complex ones stay complex, in the precision that goes with it (complex64 with the half precisions): without their
    imaginary part, which PyTorch's own casts drop, they would be another module. So would float8 ones, whose scales are
    apart: they stay too.
    """
    paired = torch.complex128 if dtype == torch.float64 else torch.complex64

    def put(tensor: Tensor) -> Tensor:
        if tensor.is_complex():
            return tensor.to(paired)
        is_number = tensor.is_floating_point() and tensor.dtype.itemsize > 1
        return tensor.to(dtype) if is_number else tensor

    return module._apply(put)


def ran(option: str, path: str, module: nn.Module, x: Tensor) -> Any:
    """What the module gives for x.

    Raises:
        SkaprofError: it fails, with its own error.
    """

    def run() -> Any:
        with torch.no_grad():
            return module(x)

    return attempted(option, f"{path} cannot run on an input of shape {tuple(x.shape)}", run)


def first_that_runs(make: Callable[[str], Any]) -> Any:
    """What `make` gives on the first of `DEVICES` where it does not fail.

    Raises:
        SkaprofError: it fails on all; the error on the processor says why.
    """
    for device in DEVICES[:-1]:
        try:
            return make(device)
        except SkaprofError:
            continue
    return make(DEVICES[-1])
