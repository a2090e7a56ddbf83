"""Elementwise FLOPs of ATen's ops by the prices of the closed forms, for those that have one; None for the others."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from torch import Tensor

from skaprof.count.rules import Rule
from skaprof.model.ops import PRICES

_BY_OUTPUT = {
    **dict.fromkeys(("mul",), "scale"),
    **dict.fromkeys(("_softmax", "_safe_softmax", "_log_softmax"), "softmax"),
    **dict.fromkeys(("add",), "add"),
    **dict.fromkeys(("sub", "rsub", "neg"), "subtract"),
    **dict.fromkeys(("div",), "divide"),
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "gelu": "gelu",
}
"""The kind of `PRICES` that each op is of, at its price for each element of the output."""
_BY_INPUT = {"sum": "token_sum", "mean": "token_mean"}
"""The same, for each element of the input."""
_BIASED = {"addmm", "addmv", "convolution"}
"""Products that add a bias, for each element of the output."""


_PARTS = {
    "relu": PRICES["squared_relu"].forward - 1,
    "pow": 1,
    "elu": PRICES["elu_plus_one"].forward - PRICES["add"].forward,
}
"""Ops that are a part of what has a price: for each element of the output."""


def price_of(rule: Rule, args: Sequence[Any], taken: Sequence[Tensor], given: Sequence[Tensor]) -> int | None:
    """Elementwise FLOPs of one call; None where the op has no price."""
    name = rule.name.partition(".")[2].removesuffix("_")
    if not rule.moves_data or name in _COPIES:
        return 0
    if rule.formula is not None:
        return given[0].numel() * PRICES["bias"].forward if name in _BIASED and len(taken) > 2 else 0
    return _elementwise(name, args, taken, given)


def _elementwise(name: str, args: Sequence[Any], taken: Sequence[Tensor], given: Sequence[Tensor]) -> int | None:
    if name in _BY_INPUT and taken:
        return taken[0].numel() * PRICES[_BY_INPUT[name]].forward
    if name == "avg_pool2d":
        window = args[1] if len(args[1]) > 1 else args[1] * 2
        return given[0].numel() * prod(window) * PRICES["average_pool"].forward
    kind = _BY_OUTPUT.get(name)
    price = PRICES[kind].forward if kind is not None else _PARTS.get(name)
    is_other_power = name == "pow" and (isinstance(args[1], Tensor) or args[1] != 2)
    return None if price is None or not given or is_other_power else given[0].numel() * price


_COPIES = {
    *("clone", "copy", "cat", "_to_copy", "zeros", "ones", "fill", "zero", "full", "arange", "zeros_like", "ones_like"),
    *("embedding", "index_select", "gather", "repeat", "constant_pad_nd", "im2col", "roll", "flip", "index", "stack"),
    *("new_zeros", "new_ones", "full_like", "dropout", "native_dropout", "contiguous", "pixel_shuffle"),
    *("new_full", "diagonal_scatter"),
}
"""Ops that move data and do no arithmetic."""
