"""The ops that a call of a user's own model dispatches: on shapes alone where the model runs so, else as it runs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from skaprof.bench.dispatched import dispatched_in
from skaprof.foreign_code import attempted
from skaprof.foreign_model import UserModel
from skaprof.model.kernel_times import DispatchedKernel
from skaprof.nn.model_call import ModelCall
from skaprof.nn.user import first_that_runs
from skaprof.nn.user_model import Change, built_model, tensors_in
from skaprof.workload import MODES

Scopes = dict[str, list[DispatchedKernel]]


def own_kernels(user: UserModel, mode: str, option: str, change: Change | None = None) -> Scopes:
    """The ops of a call of the model in evaluation mode, once `change` is done to it, and of each submodule, by name.

    Raises:
        SkaprofError: the model cannot be imported, built or run, with the user's own error.
    """

    def seen(device: str) -> Scopes:
        model, call = built_model(user, device, option)
        if change is not None:
            change(model, call)
        trouble = f"{user.path} cannot run on an input of shape {call.text}"
        of = _on_shapes if device == "meta" else _of
        return attempted(option, trouble, lambda: of(model, call, mode))  # type: ignore[no-any-return]  # what is handed on is Any there

    return first_that_runs(seen)  # type: ignore[no-any-return]  # what is handed on is Any there


def _on_shapes(model: nn.Module, call: ModelCall, mode: str) -> Scopes:
    """As on a processor, of a model on meta."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        there = model.to_empty(device="cpu")
        return _of(there, call.mapped(lambda tensor: torch.empty_like(tensor, device="cpu")), mode)


def _of(model: nn.Module, call: ModelCall, mode: str) -> Scopes:
    return dispatched_in(model, _run(model, call) if mode == MODES[0] else _training_step(model, call))


def _run(model: nn.Module, call: ModelCall) -> Callable[[], object]:
    def run() -> object:
        with torch.no_grad():
            return call.run(model)

    return run


def _training_step(model: nn.Module, call: ModelCall) -> Callable[[], object]:
    tracked = call.mapped(lambda tensor: tensor.detach().requires_grad_() if tensor.is_floating_point() else tensor)

    def outputs() -> list[Tensor]:
        return [tensor for tensor in tensors_in(tracked.run(model)) if tensor.requires_grad]

    gradients = [torch.ones_like(tensor) for tensor in outputs()]

    def step() -> None:
        model.zero_grad(set_to_none=True)
        torch.autograd.backward(outputs(), gradients)

    return step
