"""Convolutions of every kind as the one op that fvcore knows, in a trace on any device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

Sizes = int | Sequence[int]


class TracedConvolution(TorchFunctionMode):
    """Calls convolutions as aten::_convolution, the op fvcore knows: on meta they are otherwise traced as nothing."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        run = _CONVOLUTIONS.get(func, func)
        return run(*args, **(kwargs or {}))


def _forward(rank: int) -> Callable[..., Tensor]:
    """A convolution over `rank` axes, with the arguments of PyTorch's own."""

    def run(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Sizes = 1,
        padding: Sizes | str = 0,
        dilation: Sizes = 1,
        groups: int = 1,
    ) -> Tensor:
        x, holes = input, _each(dilation, rank)
        if padding == "same":
            x, padding = _padded_as_same(x, weight.shape[2:], holes)
        sides = [0] * rank if isinstance(padding, str) else _each(padding, rank)  # "valid" is no padding
        return _convolved(rank, x, weight, bias, _each(stride, rank), sides, holes, False, [0] * rank, groups)

    return run


def _transposed(rank: int) -> Callable[..., Tensor]:
    """A transposed convolution over `rank` axes, with the arguments of PyTorch's own."""

    def run(
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        dilation: Sizes = 1,
    ) -> Tensor:
        steps, sides, extra, holes = (_each(sizes, rank) for sizes in (stride, padding, output_padding, dilation))
        return _convolved(rank, input, weight, bias, steps, sides, holes, True, extra, groups)

    return run


_CONVOLUTIONS: dict[Any, Callable[..., Tensor]] = {
    **{run: _forward(rank) for rank, run in enumerate((F.conv1d, F.conv2d, F.conv3d), start=1)},
    **{
        run: _transposed(rank)
        for rank, run in enumerate((F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d), start=1)
    },
}


def _convolved(rank: int, x: Tensor, *arguments: Any) -> Tensor:
    run: Any = torch._convolution
    output: Tensor = run(x if x.dim() == rank + 2 else x.unsqueeze(0), *arguments, False, False, True, True)
    return output if x.dim() == rank + 2 else output.squeeze(0)


def _padded_as_same(x: Tensor, kernel: Iterable[int], dilation: Sequence[int]) -> tuple[Tensor, list[int]]:
    """x, and the padding on both sides that keeps its size; what an even kernel needs more is put on x's end."""
    needed = [hole * (side - 1) for side, hole in zip(kernel, dilation, strict=True)]
    ends = [total % 2 for total in needed]
    if any(ends):
        x = F.pad(x, [part for end in reversed(ends) for part in (0, end)])
    return x, [total // 2 for total in needed]


def _each(sizes: Sizes, rank: int) -> list[int]:
    """One size for each axis."""
    if isinstance(sizes, int):
        return [sizes] * rank
    return list(sizes) * rank if len(sizes) == 1 else list(sizes)


class ConvolutionShape(TorchDispatchMode):
    """Answers aten::_convolution on meta with a tensor of the right shape: PyTorch's meta rule fails under a trace."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._convolution.default and args[0].is_meta:
            return _output(*args[:9])
        return func(*args, **(kwargs or {}))


def _output(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    is_transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Tensor:
    axes = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, output_padding, strict=True)
    if is_transposed:
        channels = int(weight.shape[1]) * groups
        sides = [
            (int(side) - 1) * step - 2 * pad + hole * (int(kernel) - 1) + extra + 1
            for side, kernel, step, pad, hole, extra in axes
        ]
    else:
        channels = int(weight.shape[0])
        sides = [
            (int(side) + 2 * pad - hole * (int(kernel) - 1) - 1) // step + 1
            for side, kernel, step, pad, hole, _ in axes
        ]
    return torch.empty([int(x.shape[0]), channels, *sides], dtype=x.dtype, device=x.device)
