"""MACs of attention where it is one op: in every fused form, forward and backward, and in PyTorch's fast paths.

A fused kernel multiplies queries with keys and weights with values; its backward makes the first of these anew, and has
one product for each gradient of a product's operand: five in all. A causal mask takes nothing off, as in every counter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from skaprof.count.product_formulas import Formula, NeedsValuesError, NoFormulaError
from skaprof.nn.triton_attention import BACKWARD, FORWARD, attention_macs

Pairs = int
"""How many (query, key) pairs are scored, in all heads of all batch items."""


def _macs(pairs: Pairs, width: int, value_width: int, *, backward: bool) -> int:
    """Forward: q k and p v. Backward: q k anew, and the gradients of q and k; those of p and v."""
    return pairs * (3 * width + 2 * value_width if backward else width + value_width)


def _heads_first(first: int, *, backward: bool) -> Formula:
    """Of q, k, v (batch, heads, tokens, head_dim), which begin at this argument; k and v may have fewer heads."""

    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        q, k, v = args[first : first + 3]
        return _macs(q.shape[:-1].numel() * k.shape[-2], q.shape[-1], v.shape[-1], backward=backward)

    return macs


def _tokens_first(first: int, ends: int, *, backward: bool) -> Formula:
    """Of q, k, v (batch, tokens, heads, head_dim), or (tokens, heads, head_dim) of sequences that end at `ends`."""

    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        q, k, v = args[first : first + 3]
        ends_of_q, ends_of_k = args[ends], args[ends + 1]
        if ends_of_q is None:
            pairs = q.shape[0] * q.shape[1] * q.shape[2] * k.shape[1]
        elif ends_of_q.is_meta or ends_of_k.is_meta:
            raise NeedsValuesError("the lengths of its sequences are on meta")
        else:
            pairs = q.shape[-2] * int((ends_of_q.diff() * ends_of_k.diff()).sum())
        return _macs(pairs, q.shape[-1], v.shape[-1], backward=backward)

    return macs


def _multi_head(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """_native_multi_head_attention: three projections, attention, and the output's projection."""
    q, k, v, dim = args[0], args[1], args[2], args[3]
    return _encoded(q, k, v, dim)


def _encoded(q: Tensor, k: Tensor, v: Tensor, dim: int) -> int:
    if q.is_nested:
        raise NoFormulaError("its tokens are a nested tensor")
    batch, queries, _ = q.shape
    keys = k.shape[1]
    projections = dim * (q.numel() + k.numel() + v.numel()) + batch * queries * dim * dim
    return int(projections + batch * queries * keys * dim * 2)


def _encoder_layer(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
    """_transformer_encoder_layer_fwd: attention, then two linear layers (x, dim, heads, ... weights at 13 and 15)."""
    x, dim = args[0], args[1]
    widths = [weight.shape[0] * weight.shape[1] for weight in args if isinstance(weight, Tensor) and weight.dim() == 2]
    inner = sum(widths) - 4 * dim * dim  # beside the projections (3 dim, dim) and (dim, dim)
    return _encoded(x, x, x, dim) + int(x.shape[0] * x.shape[1]) * inner


def _of_static_key(*, backward: bool) -> Formula:
    """Of query, weight, bias, key of class tokens, value, height and width: queries in windows, values one by one."""

    def macs(args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> int:
        query, weight, _, _, value, height, width, *_ = args
        return attention_macs(query.shape, weight.shape, value.shape, height, width, backward=backward)

    return macs


STATIC_KEY: dict[str, Formula] = {
    FORWARD.replace("::", "."): _of_static_key(backward=False),
    BACKWARD.replace("::", "."): _of_static_key(backward=True),
}
"""Of skaprof's own ops, which Triton's kernels run, by namespace and name."""
ATTENTION: dict[str, Formula] = {
    **dict.fromkeys(
        (
            "scaled_dot_product_attention",
            "_scaled_dot_product_attention_math",
            "_scaled_dot_product_attention_math_for_mps",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_fused_attention_overrideable",
        ),
        _heads_first(0, backward=False),
    ),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_backward",
            "_scaled_dot_product_flash_attention_for_cpu_backward",
            "_scaled_dot_product_cudnn_attention_backward",
            "_scaled_dot_product_fused_attention_overrideable_backward",
        ),
        _heads_first(1, backward=True),
    ),
    "_scaled_dot_product_efficient_attention_backward": _heads_first(1, backward=True),
    "_flash_attention_forward": _tokens_first(0, 3, backward=False),
    "_flash_attention_backward": _tokens_first(1, 6, backward=True),
    "_efficient_attention_forward": _tokens_first(0, 4, backward=False),
    "_efficient_attention_backward": _tokens_first(1, 6, backward=True),
    "_native_multi_head_attention": _multi_head,
    "_transformer_encoder_layer_fwd": _encoder_layer,
}
"""By the name of the op in ATen."""
