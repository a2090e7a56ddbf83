"""Static key attention as functions, for networks of your own: no n x n scores in memory, forward or backward.

Both compute some rows of queries at a time, and in the backward pass compute them once more: what autograd saves are
the arguments. They take any device and float dtype, and are differentiated once. "Static Key Attention in Vision"
(Hu, Zhou, Rostami, arXiv 2412.07049) defines both.
"""

from __future__ import annotations

import torch
from torch import Tensor

from skaprof.errors import bad_value
from skaprof.grids import parse_count
from skaprof.nn.tiled import tiled_attention
from skaprof.nn.winograd import WINOGRAD_KERNEL
from skaprof.workload import require_odd_kernel


def static_key_attention(
    query: Tensor, key: Tensor, value: Tensor, *, scale: float | None = None, tile: int | None = None
) -> Tensor:
    """softmax(q K^T * scale) v, where the images of a batch share their keys.

    Args:
        query: (B, h, q, e).
        key: (h, n, e), learned; or (B, h, n, e), which is plain attention.
        value: (B, h, n, f).
        scale: e^-1/2 where none is given.
        tile: the most queries of an image and head at a time, 1 or more. Default: as many as make some 4 MiB of scores
            in float32; each tile is as long as the others, or nearly.

    Returns:
        (B, h, q, f), laid out as (B, q, h, f): `.transpose(1, 2).flatten(2)` costs nothing.

    Raises:
        SkaprofError: shapes that do not fit, naming the argument; a tile that is no number of rows.

    Example:
        >>> import torch
        >>> from skaprof.nn.functional import static_key_attention
        >>> q, v = torch.randn(2, 8, 4, 196, 32)
        >>> static_key_attention(q, torch.randn(4, 196, 32), v).shape
        torch.Size([8, 4, 196, 32])
    """
    _require_dimensions("query", query, 4)
    batch, heads, _, head_dim = query.shape
    _require_values(value, batch, heads)
    keys = value.shape[2]
    shape = (heads, keys, head_dim) if key.dim() == 3 else (batch, heads, keys, head_dim)
    _require_shape("key", key, shape)
    by_head = key.unsqueeze(1) if key.dim() == 3 else key.transpose(0, 1)
    factor = head_dim**-0.5 if scale is None else scale
    mixed = tiled_attention(
        "keys", query.transpose(0, 1), by_head, None, value.transpose(0, 1), factor, tile_rows(tile)
    )
    return mixed.transpose(0, 1)


def conv_static_key_attention(
    query: Tensor,
    weight: Tensor,
    value: Tensor,
    bias: Tensor | None = None,
    class_key: Tensor | None = None,
    *,
    grid: tuple[int, int],
    scale: float | None = None,
    tile: int | None = None,
    winograd: bool = False,
) -> Tensor:
    """softmax(conv(q) * scale) v: each head's scores are a k x k convolution of its query map, one channel a key.

    Args:
        query: (B, h, c + H * W, e): c class tokens, and then those of the grid by rows.
        weight: (h * n, e, k, k), as `nn.Conv2d(h * e, h * n, k, padding=k // 2, groups=h)` has it; k is odd.
            In channels-last memory format it is read where it lies, else it is copied at each call.
        value: (B, h, n, f).
        bias: (h * n,), or None.
        class_key: (h, n, e), the static key that the queries of class tokens meet, which have no place on the grid.
        grid: (H, W).
        scale: e^-1/2 where none is given.
        tile: the most of the grid's rows of an image and head at a time, 1 or more. Default: as in
            `static_key_attention`, but whole rows.
        winograd: take the scores of a 3 x 3 kernel by Winograd's F(4, 3) along the grid's rows, in half the
            multiply-adds: faster in training and on grids of some 784 tokens (docs/mixers.md), slower on small ones.
            In float32 or float64; what it rounds is some 1e-6 of the result in float32.

    Returns:
        (B, h, c + H * W, f), laid out as in `static_key_attention`.

    Raises:
        SkaprofError: shapes that do not fit, naming the argument; a tile that is no number of rows; an even kernel;
            winograd with another kernel or in half precision.

    Example:
        >>> import torch
        >>> from skaprof.nn.functional import conv_static_key_attention
        >>> q, v = torch.randn(2, 8, 4, 196, 32)
        >>> conv_static_key_attention(q, torch.randn(4 * 196, 32, 3, 3), v, grid=(14, 14)).shape
        torch.Size([8, 4, 196, 32])
    """
    _require_dimensions("query", query, 4)
    _require_dimensions("weight", weight, 4)
    batch, heads, tokens, head_dim = query.shape
    _require_values(value, batch, heads)
    class_tokens = int(tokens) - grid[0] * grid[1]
    if class_tokens < 0 or (class_tokens == 0) is not (class_key is None):
        wanted = "at least one token more than" if class_key is not None else "the tokens of"
        raise bad_value("query", tuple(query.shape), f"(B, h, tokens, e) with {wanted} a {grid[0]} x {grid[1]} grid")
    kernel_size = require_odd_kernel(weight.shape[-1])
    keys = value.shape[2]
    _require_shape("weight", weight, (heads * keys, head_dim, kernel_size, kernel_size))
    if bias is not None:
        _require_shape("bias", bias, (heads * keys,))
    if winograd and kernel_size != WINOGRAD_KERNEL:
        raise bad_value("winograd", winograd, f"False: the kernel is {kernel_size} x {kernel_size}, and not 3 x 3")
    if winograd and query.dtype not in (torch.float32, torch.float64):
        raise bad_value(
            "winograd", winograd, f"False: in {str(query.dtype).removeprefix('torch.')} it would round too much"
        )
    factor = head_dim**-0.5 if scale is None else scale
    mixed = tiled_attention(
        "winograd" if winograd else "patches",
        query[:, :, class_tokens:].unflatten(2, grid).transpose(0, 1),
        weight.unflatten(0, (heads, keys)).permute(0, 1, 3, 4, 2),
        None if bias is None else bias.view(heads, keys),
        value.transpose(0, 1),
        factor,
        tile_rows(tile),
    )
    if class_key is None:
        return mixed.transpose(0, 1)
    of_classes = static_key_attention(query[:, :, :class_tokens], class_key, value, scale=factor, tile=tile)
    joined = torch.cat((of_classes.transpose(1, 2), mixed.permute(1, 2, 0, 3)), dim=1)
    return joined.transpose(1, 2)


def tile_rows(tile: int | None) -> int | None:
    """The rows of queries at a time, None where nobody chose.

    Raises:
        SkaprofError: no whole number of 1 or more.
    """
    return tile if tile is None or (type(tile) is int and tile > 0) else parse_count("tile", tile)


def _require_values(value: Tensor, batch: int, heads: int) -> None:
    _require_dimensions("value", value, 4)
    _require_shape("value", value, (batch, heads, *value.shape[2:]))


def _require_dimensions(name: str, tensor: Tensor, dimensions: int) -> None:
    if tensor.dim() != dimensions:
        raise bad_value(name, tuple(tensor.shape), f"{dimensions} dimensions")


def _require_shape(name: str, tensor: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise bad_value(name, tuple(tensor.shape), f"the shape {shape}, as the other arguments have it")
