"""One mixer written in the ways its users write it: same weights, same result, other PyTorch functions."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from skaprof.counters import SPELLINGS, WITH_BIASES
from skaprof.model.spec import MixerSpec
from skaprof.nn import build_mixer
from skaprof.nn.layers import MatMul, StaticKeyScores
from skaprof.workload import Workload

Multiply = Callable[[Tensor, Tensor], Tensor]

_EINSUMS = {3: "hij,hjk->hik", 4: "bhij,bhjk->bhik"}


def _by_matmul(a: Tensor, b: Tensor) -> Tensor:
    """a b, the function looked up when called and not when built: counters replace it while they count."""
    return torch.matmul(a, b)


def _by_einsum(a: Tensor, b: Tensor) -> Tensor:
    return torch.einsum(_EINSUMS[a.dim()], a, b)


_MULTIPLY: dict[str, Multiply] = {"matmul": _by_matmul, "einsum": _by_einsum}


class _Product(nn.Module):
    """a times b by the function given."""

    def __init__(self, multiply: Multiply) -> None:
        super().__init__()
        self.multiply = multiply

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return self.multiply(a, b)


class _KeyProduct(nn.Module):
    """`StaticKeyScores` with its product by the function given."""

    def __init__(self, scores: StaticKeyScores, multiply: Multiply) -> None:
        super().__init__()
        self.key = scores.key
        self.multiply = multiply

    def forward(self, queries: Tensor) -> Tensor:
        scores = self.multiply(queries.flatten(1, 2), self.key.transpose(-2, -1))
        return scores.unflatten(1, (queries.shape[1], queries.shape[2]))


class _TorchAttention(nn.Module):
    """nn.MultiheadAttention of x with itself, without the weights that nobody asked for.

    It has biases, its own default: without them its fast path is never taken (PyTorch 2.13). They cost no MACs.
    """

    def __init__(self, w: Workload, *, fast: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(w.dim, w.heads, batch_first=True)
        self.fast = fast

    def forward(self, x: Tensor) -> Tensor:
        was_enabled = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(self.fast)
        try:
            with torch.set_grad_enabled(not self.fast):
                output: Tensor = self.attention(x, x, x, need_weights=False)[0]
        finally:
            torch.backends.mha.set_fastpath_enabled(was_enabled)
        return output


def spellings_of(spec: MixerSpec, w: Workload) -> tuple[str, ...]:
    """The names of the spellings that this mixer has at these sizes."""
    if not any(op.kind == "matmul" for op in spec.ops(w)):
        return ("modules",)
    found = ["@", "matmul", "einsum"]
    found += ["sdpa"] if "sdpa" in spec.forms() else []
    if spec.mixer.name == "mhsa" and w.attention_dim == w.dim:
        found += ["mha"] if w.heads % 2 else ["mha", "mha-fast"]  # the fast path refuses an odd number of heads
    return tuple(found)


def build_spelling(spec: MixerSpec, w: Workload, spelling: str) -> nn.Module:
    """The mixer in that spelling, in eval mode, its weights drawn from seed 0."""
    torch.manual_seed(0)
    if spelling in WITH_BIASES:
        return _TorchAttention(w, fast=spelling == "mha-fast").eval()
    module = build_mixer(spec, w, SPELLINGS[spelling].form)
    if spelling in _MULTIPLY:
        _respell(module, _MULTIPLY[spelling])
    return module.eval()


def _respell(module: nn.Module, multiply: Multiply) -> None:
    """Every product in the module by the function given."""
    for name, child in list(module.named_children()):
        if isinstance(child, MatMul):
            module.set_submodule(name, _Product(multiply))
        elif isinstance(child, StaticKeyScores):
            module.set_submodule(name, _KeyProduct(child, multiply))
