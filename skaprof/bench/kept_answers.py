"""A module that keeps its answer would be timed without its work: every timed call has the same input."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from skaprof.bench.gate import WrongOutputError

_TRIES = 2  # a module that happens to do less from one call on, after some first ones, does not do so twice


def require_no_kept_answer(module: nn.Module, x: Tensor) -> None:
    """Raise unless the module reads each input anew, and does at a second call on one what it did at the first.

    Raises:
        WrongOutputError: another input gives the same output, or a second call on an input runs fewer operations.
    """
    other, *fresh_inputs = [_other(x) for _ in range(1 + _TRIES)]  # all alive: answers may be kept by address
    with torch.no_grad():
        if not _heeds(module, x, other):
            raise WrongOutputError(
                "another input gives the same output: it keeps its answer, or reads no input, and later calls would be "
                "timed without its work"
            )
        pairs = [_operations_of_two_calls(module, given) for given in fresh_inputs]
    if all(again < fresh for fresh, again in pairs):
        fresh, again = pairs[-1]
        raise WrongOutputError(
            f"it keeps its answers: a second call on an input runs {again} operations where the first ran {fresh}"
        )


def _heeds(module: nn.Module, x: Tensor, other: Tensor) -> bool:
    """Whether the output depends on the input; so it is taken where there is no output, or no other input."""
    outputs = [[leaf.clone() for leaf in _tensors(module(given))] for given in (x, other)]
    return (
        not outputs[0]
        or torch.equal(x, other)
        or any(one.shape != two.shape or not torch.equal(one, two) for one, two in zip(*outputs, strict=False))
    )


def _tensors(output: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]


def _other(x: Tensor) -> Tensor:
    """Other values of the same shape: of numbers random ones, of ids the same in another order."""
    if x.is_floating_point():
        return torch.randn_like(x)
    return x.flatten()[torch.randperm(x.numel(), device=x.device)].view_as(x)


def _operations_of_two_calls(module: nn.Module, x: Tensor) -> tuple[int, int]:
    counts = []
    for _ in range(2):
        with _Operations() as seen:
            module(x)
        counts.append(seen.count)
    return counts[0], counts[1]


class _Operations(TorchDispatchMode):
    """How many operations PyTorch runs."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # PyTorch's own
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))
