"""Elementwise FLOPs of ATen's ops by the prices of the closed forms, for those that have one; None for the others."""

from __future__ import annotations

from collections.abc import Sequence

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


def price_of(rule: Rule, taken: Sequence[Tensor], given: Sequence[Tensor]) -> int | None:
    """Elementwise FLOPs of one call; None where the op has no price."""
    if not rule.moves_data:
        return 0
    name = rule.name.partition(".")[2].removesuffix("_")
    if rule.formula is not None:
        biased = name in _BIASED and len(taken) > 2
        return given[0].numel() * PRICES["bias"].forward if biased else 0
    if name in _COPIES:
        return 0
    if name in _BY_OUTPUT and given:
        return given[0].numel() * PRICES[_BY_OUTPUT[name]].forward
    if name in _BY_INPUT and taken:
        return taken[0].numel() * PRICES[_BY_INPUT[name]].forward
    return None


_COPIES = {
    *("clone", "copy", "cat", "_to_copy", "zeros", "ones", "fill", "zero", "full", "arange", "zeros_like", "ones_like"),
    *("embedding", "index_select", "gather", "repeat", "constant_pad_nd", "im2col", "roll", "flip", "index", "stack"),
    *("new_zeros", "new_ones", "full_like", "dropout", "native_dropout", "contiguous", "pixel_shuffle"),
}
"""Ops that move data and do no arithmetic."""
