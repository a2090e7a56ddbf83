"""The functions of `skaprof.nn.functional` as modules, so that a counter can tell the attention of a mixer."""

from __future__ import annotations

from torch import Tensor, nn

from skaprof.nn.functional import conv_static_key_attention, static_key_attention


class TiledAttention(nn.Module):
    """softmax(q k^T * scale) v tile by tile: (B, h, n, e), (B, h, n, e) or a static (h, n, e), (B, h, n, f)."""

    def __init__(self, scale: float, tile: int | None) -> None:
        super().__init__()
        self.scale = scale
        self.tile = tile

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return static_key_attention(q, k, v, scale=self.scale, tile=self.tile)


class TiledConvAttention(nn.Module):
    """softmax(conv(q) * scale) v tile by tile, as `conv_static_key_attention` has it; `winograd` may be set."""

    def __init__(self, scale: float, grid: tuple[int, int], tile: int | None, *, bias: bool) -> None:
        super().__init__()
        self.scale = scale
        self.tile = tile
        self.grid = grid
        self.bias = bias
        self.winograd = False

    def forward(self, q: Tensor, v: Tensor, weight: Tensor, *learned: Tensor) -> Tensor:
        """`learned` are the bias, where there is one, and the key of class tokens, where there are some."""
        bias, rest = (learned[0], learned[1:]) if self.bias else (None, learned)
        return conv_static_key_attention(
            q, weight, v, bias, *rest, grid=self.grid, scale=self.scale, tile=self.tile, winograd=self.winograd
        )
