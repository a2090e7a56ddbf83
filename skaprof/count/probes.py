"""The probes of `skaprof.analysis.conventions` in PyTorch: one layer or product each, in a module of its own."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skaprof.analysis.conventions import (
    BESIDE,
    GROUPS,
    HEIGHT,
    IMAGES,
    INPUTS,
    KERNEL,
    MAP_IN,
    MAP_OUT,
    OUTPUTS,
    TOKENS,
    WIDTH,
)


class _Layer(nn.Module):
    """One layer in a module that a user would have written."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class _Beside(_Layer):
    """A layer, and a parameter beside it."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__(layer)
        self.beside = nn.Parameter(torch.zeros(BESIDE, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) + self.beside[0]


class _Product(nn.Module):
    """x (1, tokens, inputs) with two heads' (inputs, outputs)."""

    def __init__(self, multiply: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, INPUTS, OUTPUTS))
        self.multiply = multiply

    def forward(self, x: Tensor) -> Tensor:
        return self.multiply(x.expand(2, -1, -1), self.weight)


class _Attention(nn.Module):
    """Keys that are a parameter's view, as most users' are of something: torchlens has none that are a parameter."""

    def __init__(self) -> None:
        super().__init__()
        self.keys = nn.Parameter(torch.zeros(OUTPUTS, INPUTS))

    def forward(self, x: Tensor) -> Tensor:
        keys = self.keys[None, None]
        return F.scaled_dot_product_attention(x.unsqueeze(1), keys, keys).squeeze(1)


class _Scale(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * 0.5


class _OwnConvolution(nn.Conv2d):
    """A layer of the user's own kind, which does what PyTorch's does."""

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=self.padding)


def _linear(*, bias: bool = False) -> nn.Module:
    return nn.Linear(INPUTS, OUTPUTS, bias=bias)


def _convolution(padding: int | str, groups: int = 1) -> nn.Module:
    return _Layer(nn.Conv2d(MAP_IN, MAP_OUT, KERNEL, padding=padding, groups=groups, bias=False))


def _matmul(a: Tensor, b: Tensor) -> Tensor:
    return torch.matmul(a, b)


# functions of PyTorch are looked up when called, not when built: counters replace them while they count
_BUILDERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: _Layer(_linear()),
    "linear-bias": lambda: _Layer(_linear(bias=True)),
    "linear-images": lambda: _Layer(_linear()),
    "linear-beside": lambda: _Beside(_linear()),
    "conv": lambda: _convolution(KERNEL // 2),
    "conv-same": lambda: _convolution("same"),
    "conv-own": lambda: _Layer(_OwnConvolution(MAP_IN, MAP_OUT, KERNEL, padding=KERNEL // 2, bias=False)),
    "conv-groups": lambda: _convolution(KERNEL // 2, GROUPS),
    "@": lambda: _Product(lambda a, b: a @ b),
    "matmul": lambda: _Product(_matmul),
    "einsum": lambda: _Product(lambda a, b: torch.einsum("hij,hjk->hik", a, b)),
    "sdpa": _Attention,
    "softmax": lambda: _Layer(nn.Softmax(dim=-1)),
    "scale": _Scale,
    "norm": lambda: _Layer(nn.LayerNorm(INPUTS)),
}


def build_probe(name: str) -> tuple[nn.Module, Tensor]:
    """The probe's module, in eval mode, and its input."""
    images = IMAGES if name == "linear-images" else 1
    shape = (images, MAP_IN, HEIGHT, WIDTH) if name.startswith("conv") else (images, TOKENS, INPUTS)
    return _BUILDERS[name]().eval(), torch.ones(shape)
