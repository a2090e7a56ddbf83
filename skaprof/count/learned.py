"""How many parameters a module has, and their bytes: those that PyTorch lists, and those packed for quantized ops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from skaprof.count.layer_formulas import unpacked
from skaprof.count.product_formulas import NoFormulaError


class Learned(NamedTuple):
    """Parameters, shared ones once, and their bytes; None where some are packed in an object that does not unpack."""

    params: int | None
    bytes: int | None


def learned(module: nn.Module) -> Learned:
    """What a module has learned or is to learn."""
    try:
        tensors = [*module.parameters(), *_packed(module)]
    except NoFormulaError:
        return Learned(None, None)
    return Learned(
        sum(tensor.numel() for tensor in tensors), sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    )


def _packed(module: nn.Module) -> Iterator[Tensor]:
    """The weights and biases that are no parameters because a quantized op takes them packed, each object once."""
    seen: list[Any] = []
    for part in module.modules():
        for value in vars(part).values():
            is_packed = isinstance(value, torch.ScriptObject) and not isinstance(value, torch._C.ScriptModule)
            if is_packed and not any(value is known for known in seen):
                seen.append(value)
                yield from unpacked(value)
