"""What a swap leaves behind: what a submodule holds that a token mixer has nothing of the kind of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

_HOOKS = ("forward_pre_hooks", "forward_hooks")
_PROJECTIONS = (nn.Linear, nn.modules.conv._ConvNd, nn.MultiheadAttention)


class Dropped(NamedTuple):
    """A parameter, or a buffer or hook (then `params` is 0), by its name in the submodule."""

    name: str
    params: int
    is_mask: bool = False

    @property
    def words(self) -> str:
        """Its name, and that it is a mask."""
        return f"{self.name} (mask)" if self.is_mask else self.name


def dropped_by(module: nn.Module, channels: int) -> list[Dropped]:
    """All but projections and biases: tables of relative positions, rotary embeddings, masks, scales, norms, hooks.

    A projection is the weight of a linear layer or convolution, or a matrix whose sides both hold the channels.
    """
    found: list[Dropped] = []
    for path, part in module.named_modules():
        for name, parameter in part.named_parameters(recurse=False):
            if not _has_counterpart(part, name, parameter, channels):
                found.append(Dropped(_joined(path, name), parameter.numel()))
        for name, tensor in _kept_tensors(part):
            is_mask = tensor.dtype == torch.bool or "mask" in name.lower()
            found.append(Dropped(_joined(path, name), 0, is_mask))
        found += [Dropped(_joined(path, name), 0) for name in _HOOKS if getattr(part, f"_{name}")]
    return found


def _has_counterpart(part: nn.Module, name: str, parameter: Tensor, channels: int) -> bool:
    is_bias = name.endswith("bias") and parameter.dim() == 1
    is_matrix = parameter.dim() == 2 and min(parameter.shape) >= channels
    return is_bias or isinstance(part, _PROJECTIONS) or is_matrix


def _kept_tensors(part: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers of more than a number, and tensors that are plain attributes."""
    kept = [*part.named_buffers(recurse=False), *((name, value) for name, value in vars(part).items())]
    yield from ((name, value) for name, value in kept if isinstance(value, Tensor) and value.numel() > 1)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
