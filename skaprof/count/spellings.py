"""One mixer written in the ways its users write it: same weights, same result, other PyTorch functions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from skaprof.count.asked import PROBE, Case
from skaprof.count.probes import build_probe
from skaprof.counters import SPELLINGS, WITH_BIASES
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.nn import build_mixer
from skaprof.nn.attention import StaticKeyAttention
from skaprof.nn.layers import MatMul, StaticKeyScores
from skaprof.nn.mixers import TokenMixer
from skaprof.workload import Workload

Multiply = Callable[[Tensor, Tensor], Tensor]

_EINSUMS = {3: "hij,hjk->hik", 4: "bhij,bhjk->bhik"}


def _by_matmul(a: Tensor, b: Tensor) -> Tensor:
    """a b, the function looked up when called and not when built: counters replace it while they count."""
    return torch.matmul(a, b)


class _ByEinsum:
    """a b, spelled for as many dimensions as the first a has: a user knows how many that are, and so writes one."""

    def __init__(self) -> None:
        self.equation: str | None = None

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        if self.equation is None:
            self.equation = _EINSUMS[a.dim()]
        return torch.einsum(self.equation, a, b)


_MULTIPLY: dict[str, Callable[[], Multiply]] = {"matmul": lambda: _by_matmul, "einsum": _ByEinsum}


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


class _KeyBeside(StaticKeyAttention):
    """SKA whose key is the mixer's own parameter, beside its layers."""

    def __init__(self, mixer: StaticKeyAttention) -> None:
        nn.Module.__init__(self)
        vars(self).update({name: value for name, value in vars(mixer).items() if name != "training"})
        self._modules = dict(mixer._modules)
        self._modules.pop("scores")
        self.key = nn.Parameter(mixer.scores.key.detach())

    def scores(self, queries: Tensor) -> Tensor:  # type: ignore[override]  # a method for a module
        batch, tokens = queries.shape[1:3]
        return (queries.flatten(1, 2) @ self.key.transpose(-2, -1)).unflatten(1, (batch, tokens))


class _ChannelsFirst(nn.Module):
    """A convolution whose input is laid out channels first."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.convolution = convolution
        convolution.weight.data = convolution.weight.data.contiguous(memory_format=torch.contiguous_format)

    def forward(self, x: Tensor, *others: Tensor | None) -> Tensor:
        return self.convolution(x.contiguous(memory_format=torch.contiguous_format), *others)

    @property
    def weight(self) -> Tensor:
        """The convolution's."""
        return self.convolution.weight

    @property
    def bias(self) -> Tensor | None:
        """The convolution's."""
        return self.convolution.bias


class _TorchAttention(nn.Module):
    """nn.MultiheadAttention of x with itself, as the spelling has it: by mode, weights and gradients.

    It has biases, its own default: without them its fast path is never taken (PyTorch 2.13). They cost no MACs.
    """

    def __init__(self, w: Workload, spelling: str) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(w.dim, w.heads, batch_first=True)
        self.fast = spelling == "mha-fast"
        self.weights = spelling in ("mha-weights", "mha-train")

    def forward(self, x: Tensor) -> Tensor:
        was_enabled = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(self.fast)
        try:
            with torch.no_grad() if self.fast else nullcontext():
                output: Tensor = self.attention(x, x, x, need_weights=self.weights)[0]
        finally:
            torch.backends.mha.set_fastpath_enabled(was_enabled)
        return output


def build_case(case: Case) -> tuple[nn.Module, Tensor]:
    """The case's module and an input of it."""
    if case.mixer == PROBE:
        return build_probe(case.spelling)
    w = case.workload
    x = torch.randn(w.batch, w.tokens, w.dim)
    return build_spelling(parse_mixer(case.mixer), w, case.spelling, x), x


def build_spelling(spec: MixerSpec, w: Workload, spelling: str, x: Tensor | None = None) -> nn.Module:
    """The mixer in that spelling, in eval mode unless that says otherwise, its weights drawn from seed 0.

    `x` is what a module that has to be traced is traced with.
    """
    torch.manual_seed(0)
    if spelling in WITH_BIASES:
        return _TorchAttention(w, spelling).train(spelling == "mha-train")
    module = _respelled(build_mixer(spec, w, SPELLINGS[spelling].form), spelling).eval()
    _without_checks(module)
    if x is None:
        x = torch.zeros(w.batch, w.tokens, w.dim)
    if spelling == "einsum":
        with torch.no_grad():
            module(x)
    if spelling == "exported":
        return torch.export.export(module, (x,)).module()
    compiled: Any = torch.compile(module, backend="aot_eager") if spelling == "compiled" else module
    return compiled


def _respelled(module: TokenMixer, spelling: str) -> TokenMixer:
    """The mixer with what the spelling is about in its place."""
    if spelling in _MULTIPLY:
        _respell(module, _MULTIPLY[spelling])
    elif spelling == "parent-key":
        assert isinstance(module, StaticKeyAttention)
        return _KeyBeside(module)
    elif spelling == "same":
        for convolution in _convolutions(module).values():
            convolution.padding = "same"
    elif spelling == "channels-first":
        for name, convolution in _convolutions(module).items():
            module.set_submodule(name, _ChannelsFirst(convolution))
    return module


def _convolutions(module: nn.Module) -> dict[str, nn.Conv2d]:
    return {name: part for name, part in module.named_modules() if isinstance(part, nn.Conv2d)}


def _respell(module: nn.Module, multiply: Callable[[], Multiply]) -> None:
    """Every product in the module by a function of that kind."""
    for name, child in list(module.named_children()):
        if isinstance(child, MatMul):
            module.set_submodule(name, _Product(multiply()))
        elif isinstance(child, StaticKeyScores):
            module.set_submodule(name, _KeyProduct(child, multiply()))


def _without_checks(module: TokenMixer) -> None:
    """Take from a mixer the checks of its input, which few users' modules have, and which torch.fx does not trace."""
    kind = type(module)

    def forward(self: TokenMixer, x: Tensor) -> Tensor:
        return self.mix_tokens(x, self.grid)

    module.__class__ = type(kind.__name__, (kind,), {"forward": forward, "__module__": kind.__module__})
