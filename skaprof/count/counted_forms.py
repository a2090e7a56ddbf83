"""Calls in the form that they are counted in, whatever the device: PyTorch runs some in other ways on some.

Attention on meta tensors is the one kernel that it is elsewhere: PyTorch has its plain form alone there. A complex
convolution is the four real ones of a complex product: PyTorch makes three of them, and more additions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
import torch.nn.functional as F
from torch import Tensor

from skaprof.process_wide import PROCESS_WIDE

ATTENTION: Any = F.scaled_dot_product_attention
"""PyTorch's own, whatever stands in its place for a time."""


@contextmanager
def called_by_pytorch() -> Iterator[None]:
    """PyTorch's own functions, such as multi_head_attention_forward, call `fused_on_meta` in the block."""
    with PROCESS_WIDE, patch.object(F, "scaled_dot_product_attention", fused_on_meta):
        yield


def fused_on_meta(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Attention as PyTorch runs it; on meta, where PyTorch has its plain form alone, as the kernel that CUDA has."""
    is_plain = not q.is_meta or q.dim() != 4 or q.is_nested
    if enable_gqa and not is_plain and not q.shape[-3] % k.shape[-3] and k.shape[-3] == v.shape[-3]:
        k, v = (each.repeat_interleave(q.shape[-3] // each.shape[-3], -3) for each in (k, v))
    if is_plain or q.shape[-3] != k.shape[-3] or (attn_mask is not None and attn_mask.requires_grad):
        return ATTENTION(q, k, v, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
    bias = attn_mask
    if bias is not None:
        bias = bias.to(q.dtype).expand(*q.shape[:-1], k.shape[-2])
    kernel = torch.ops.aten._scaled_dot_product_efficient_attention
    needs_grad = torch.is_grad_enabled() and (q.requires_grad or k.requires_grad or v.requires_grad)
    output: Tensor = kernel(q, k, v, bias, needs_grad, dropout_p, is_causal, scale=scale)[0]
    return output


CONVOLUTIONS = frozenset(
    (torch.conv1d, torch.conv2d, torch.conv3d, torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)
)


def is_complex_convolution(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether a call is a convolution of complex numbers."""
    x = args[0] if args else kwargs.get("input")
    return func in CONVOLUTIONS and isinstance(x, Tensor) and x.is_complex()


def four_convolutions(
    convolve: Any, input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    """A complex convolution as four real ones."""
    parts = [
        [convolve(x, w, None, *args, **kwargs) for w in (weight.real, weight.imag)] for x in (input.real, input.imag)
    ]
    (real, across), (turned, both) = parts
    output = torch.complex(real - both, across + turned)
    if bias is None:
        return output
    return output + bias.view(-1, *[1] * (weight.dim() - 2))
