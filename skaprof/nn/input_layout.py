"""What the shape of a submodule's input means: its layout, and the sizes of a mixer that takes it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Any

from torch import Tensor, nn

from skaprof.errors import SkaprofError, named
from skaprof.model.spec import MixerSpec
from skaprof.workload import Workload, nearly_square

_HEAD_COUNTS = ("num_heads", "heads", "n_heads", "n_head", "num_attention_heads")
_HEAD_DIMS = ("head_dim", "dim_head", "attention_head_size")
_QUERIES = ("q", "query", "q_proj", "to_q", "wq", "q_lin")
_QUERIES_KEYS_VALUES = ("qkv", "to_qkv", "qkv_proj", "Wqkv")
"""What attention modules call the number and the width of their heads, and the linear layers that make the queries."""


def layout_of(module: nn.Module, x: Tensor, batch_axis: int | None, trouble: str, asked: str | None) -> str:
    """How the input lies: BNC, NBC, BHWC or BCHW.

    Raises:
        SkaprofError: that cannot be told, or the batch is where no mixer here has it.
    """
    shape = tuple(x.shape)
    if batch_axis not in ((0, 1) if x.dim() == 3 else (0,)):
        expected = "its first axis, or the second of (N, B, C)" if x.dim() == 3 else "its first axis"
        raise SkaprofError(f"its input {shape} does not grow with the batch along {expected}{trouble}")
    if x.dim() == 3:
        layout = "NBC" if batch_axis == 1 else "BNC"
        if isinstance(module, nn.MultiheadAttention) and module.batch_first != (layout == "BNC"):
            raise SkaprofError(
                f"it attends over the batch, not the tokens, of its input {shape}: batch_first is {module.batch_first}"
            )
        return layout
    if asked is not None:
        return asked
    first, last = (width in widths for width, widths in zip((shape[1], shape[3]), _widths(module), strict=True))
    if first == last:
        raise SkaprofError(
            f"its input {shape} may have its channels first or last: say which with {named('input')} BCHW or BHWC "
            "(layout= in Python)"
        )
    return "BCHW" if first else "BHWC"


def _widths(module: nn.Module) -> tuple[set[int], set[int]]:
    """Numbers of channels that the layers in the module take in the second axis, and in the last."""
    first, last = set(), set()
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            first.add(part.in_channels)
        elif isinstance(part, nn.BatchNorm2d):
            first.add(part.num_features)
        elif isinstance(part, nn.GroupNorm):
            first.add(part.num_channels)
        elif isinstance(part, nn.Linear):
            last.add(part.in_features)
        elif isinstance(part, nn.LayerNorm):
            last.add(part.normalized_shape[-1])
    return first, last


def workload_of(
    x: Tensor, module: nn.Module, spec: MixerSpec, layout: str, grid: tuple[int, int] | None
) -> tuple[Workload, bool, tuple[int | None, int | None]]:
    """The sizes of a mixer that takes x, whether its grid is known, and the (heads, head_dim) of what it replaces.

    The mixer has the same, unless its spec says.
    """
    sizes = dict(zip(layout, map(int, x.shape), strict=True))
    own = _attention(module)
    heads, head_dim = (None, None) if spec.heads or spec.head_dim else own
    channels, kernel_size = _kept_channels(spec, sizes["C"], heads, head_dim), spec.resolve_kernel_size()
    if "N" not in sizes:
        return Workload(sizes["B"], sizes["H"], sizes["W"], *channels, kernel_size), True, own
    height, width, class_tokens = _placed(sizes["N"], spec, grid)
    has_grid = height > 0
    if not has_grid:
        height, width = nearly_square(sizes["N"])
    return Workload(sizes["B"], height, width, *channels, kernel_size, class_tokens), has_grid, own


def _kept_channels(
    spec: MixerSpec, dim: int, heads: int | None, head_dim: int | None
) -> tuple[int, int | None, int | None]:
    """(dim, heads, head_dim) of a mixer with the heads of what it replaces.

    Raises:
        SkaprofError: these do not fit the channels, with a number of heads that does.
    """
    try:
        return spec.resolve_channels(dim, heads, head_dim)
    except SkaprofError as error:
        if heads is None:
            raise
        _, fitting, _ = spec.resolve_channels(dim)
        cure = f"its {heads} heads cannot be kept in {dim} channels: name others, such as {spec.text}:heads={fitting}"
        raise SkaprofError(cure) from error


def _attention(module: nn.Module) -> tuple[int | None, int | None]:
    """The (heads, head_dim) of the attention that the module is or holds, None where it does not say."""
    for part in module.modules():
        heads = _first_count(part, _HEAD_COUNTS)
        if heads:
            width = _width(part)
            known = _first_count(part, _HEAD_DIMS)
            return heads, known or (width // heads if width and width % heads == 0 else None)
    return None, None


def _first_count(part: nn.Module, names: Sequence[str]) -> int | None:
    values: list[Any] = [getattr(part, name, None) for name in names]
    return next((value for value in values if isinstance(value, int) and value > 0), None)


def _width(part: nn.Module) -> int | None:
    """The width of the queries of all heads together, as the linear layer that makes them has it."""
    for names, shares in ((_QUERIES, 1), (_QUERIES_KEYS_VALUES, 3)):
        for layer in (getattr(part, name, None) for name in names):
            if isinstance(layer, nn.Linear) and layer.out_features % shares == 0:
                return layer.out_features // shares
    return None


def _placed(tokens: int, spec: MixerSpec, grid: tuple[int, int] | None) -> tuple[int, int, int]:
    """(height, width, class tokens) of so many tokens: the grid given, a square, or a square behind a class token.

    (0, 0, 0) where nothing tells the grid, and the mixer needs none.

    Raises:
        SkaprofError: no such grid, one smaller than the class tokens, or class tokens that the mixer has no place for.
    """
    height, width, class_tokens = _grid_of(tokens, grid)
    positions = height * width
    if class_tokens < 0:
        raise SkaprofError(f"{tokens} tokens do not fill a grid of {height} x {width}")
    if class_tokens and class_tokens >= positions:
        raise SkaprofError(
            f"{tokens} tokens are {class_tokens} beside a {height} x {width} grid: expected fewer class tokens than "
            f"the {positions} of the grid"
        )
    if class_tokens and "eager" not in spec.mixer.class_token_forms:
        raise SkaprofError(
            f"{tokens} tokens are {class_tokens} beside a {height} x {width} grid, and {spec.text} has no place for a "
            "class token"
        )
    if not positions and spec.mixer.kernel_size is not None:
        raise SkaprofError(
            f"{tokens} tokens are no square, and {spec.text} needs their grid: name it with {named('size')}"
        )
    return height, width, class_tokens


def _grid_of(tokens: int, grid: tuple[int, int] | None) -> tuple[int, int, int]:
    """As `_placed`, without its demands."""
    if grid is not None:
        return *grid, tokens - grid[0] * grid[1]
    for class_tokens in (0, 1):
        side = isqrt(tokens - class_tokens)
        if side * side + class_tokens == tokens and side * side > class_tokens:
            return side, side, class_tokens
    return 0, 0, 0
