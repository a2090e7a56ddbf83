"""The attention mixers as trainable modules: MHSA, SKA and CSKA, each in its forms with the same parameters.

`implementation="eager"` is the reference: explicit matrix products and softmax. `implementation="sdpa"` gives the same
output through `scaled_dot_product_attention`, "tiled" some rows of queries at a time, and "triton" by Triton's kernels
(SKA and CSKA), so that no n x n scores are ever held; one form's state dict loads into the others.
"""

from __future__ import annotations

from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from skaprof.errors import SkaprofError
from skaprof.grids import parse_count
from skaprof.model.attention import UNFOLDED_BIAS_COLUMNS
from skaprof.nn.layers import Concat, KeyConvolution, MatMul, Scale, StaticKeyScores, UnfoldedQueries, as_map, copied
from skaprof.nn.scored_attention import ScoredAttention, ScoreOptions
from skaprof.nn.tiled_layers import TiledConvAttention
from skaprof.workload import FUSED, TILED, TRITON, is_fused, require_odd_kernel


class MultiHeadSelfAttention(ScoredAttention):
    """MHSA: softmax(q k^T / sqrt(e)) v with q, k, v = x Wq, x Wk, x Wv, then an output projection.

    Args:
        dim: channels C of the input.
        heads, head_dim: as `skaprof.workload.resolve_heads` reads them; head_dim 32 where neither is given.
        bias: whether the four linear layers have a bias.
        implementation: "eager", "sdpa" or "tiled".
        learned_temperature, diagonal_mask, tile: as `ScoreOptions` has them.

    Raises:
        SkaprofError: heads or head_dim alone does not divide dim.
    """

    forms = ("eager", FUSED, TILED)

    def __init__(
        self,
        dim: int,
        heads: int | None = None,
        head_dim: int | None = None,
        *,
        bias: bool = False,
        implementation: str = "eager",
        grid: tuple[int, int] | None = None,
        **scores: Unpack[ScoreOptions],
    ) -> None:
        super().__init__(dim, heads, head_dim, bias=bias, implementation=implementation, grid=grid, **scores)
        self.key = nn.Linear(dim, self.heads * self.head_dim, bias=bias)
        if not is_fused(implementation):
            self.scores = MatMul()

    def fused(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        mixed: Tensor = self.attention(*(self.split_heads(made(x)) for made in (self.query, self.key, self.value)))
        return mixed

    def scored(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        q = self.by_head(self.scaled(self.query(x)))
        k = self.by_head(self.key(x))
        scores: Tensor = self.scores(q, k.transpose(-2, -1))
        return scores


class StaticKeyAttention(ScoredAttention):
    """SKA: softmax(q K^T / sqrt(e)) v with a learned key K (h, n, e) shared by the batch (arXiv 2412.07049).

    Args:
        dim: channels C of the input.
        grid: (H, W); the key belongs to n = H * W tokens and serves no other size.
        heads, head_dim: as `skaprof.workload.resolve_heads` reads them.
        query: False takes q = x split by head, with no query projection (then heads * head_dim must be dim).
        bias: whether the linear layers have a bias.
        implementation: "eager", "sdpa", "tiled" or "triton".
        class_tokens: tokens before those of the grid, with keys too.
        learned_temperature, diagonal_mask, tile: as `ScoreOptions` has them.

    Raises:
        SkaprofError: sizes that do not fit.
    """

    static_key = True
    heads_first = True

    def __init__(
        self,
        dim: int,
        grid: tuple[int, int],
        heads: int | None = None,
        head_dim: int | None = None,
        *,
        query: bool = True,
        bias: bool = False,
        implementation: str = "eager",
        class_tokens: int = 0,
        **scores: Unpack[ScoreOptions],
    ) -> None:
        super().__init__(
            dim,
            heads,
            head_dim,
            bias=bias,
            implementation=implementation,
            grid=grid,
            has_query=query,
            class_tokens=class_tokens,
            **scores,
        )
        if not query and self.heads * self.head_dim != dim:
            raise SkaprofError(
                f"StaticKeyAttention: without a query projection heads * head_dim must be dim: "
                f"got {self.heads} * {self.head_dim} at dim {dim}"
            )
        self.has_query = query
        self.scores = StaticKeyScores(self.heads, class_tokens + grid[0] * grid[1], self.head_dim)

    def fused(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        q, v = self.split_heads(self._queries(x)), self.split_heads(self.value(x))
        key: Tensor = self.scores.key
        if self.implementation == FUSED:  # by the shape, not by len: an exporter can leave that open
            key = key.expand(x.shape[0], -1, -1, -1)
        mixed: Tensor = self.attention(q, key, v)
        return mixed

    def scored(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        scores: Tensor = self.scores(self.by_head(self.scaled(self._queries(x))))
        return scores

    def _queries(self, x: Tensor) -> Tensor:
        return self.query(x) if self.has_query else x


class ConvStaticKeyAttention(ScoredAttention):
    """CSKA: each head's scores are a k x k convolution of its query map, one output channel a key (arXiv 2412.07049).

    The "sdpa" form attends with unfolded queries: q' = patches ++ ones, K' = conv weight ++ bias ++ zeros; the same
    output without the n x n scores in memory where a fused kernel runs it. The "tiled" form never holds them, nor does
    "triton", which writes no patches either.

    Args:
        dim: channels C of the input.
        grid: (H, W); the convolution has n = H * W output channels per head and serves no other size.
        heads, head_dim: as `skaprof.workload.resolve_heads` reads them.
        kernel_size: odd.
        bias: whether the linear layers have a bias; conv_bias: whether the convolution has.
        implementation: "eager", "sdpa", "tiled" or "triton".
        class_tokens: tokens before those of the grid; their queries meet a static key of their own; not in "sdpa".
        learned_temperature, diagonal_mask, tile: as `ScoreOptions` has them.

    Raises:
        SkaprofError: sizes that do not fit, or an even kernel size.
    """

    needs_grid = True
    static_key = True

    def __init__(
        self,
        dim: int,
        grid: tuple[int, int],
        heads: int | None = None,
        head_dim: int | None = None,
        *,
        kernel_size: int = 3,
        bias: bool = False,
        conv_bias: bool = True,
        implementation: str = "eager",
        class_tokens: int = 0,
        **scores: Unpack[ScoreOptions],
    ) -> None:
        if class_tokens and implementation == FUSED:
            raise SkaprofError(f"ConvStaticKeyAttention: with class tokens it has no {FUSED} form")
        super().__init__(
            dim,
            heads,
            head_dim,
            bias=bias,
            implementation=implementation,
            grid=grid,
            class_tokens=class_tokens,
            **scores,
        )
        require_odd_kernel(parse_count("kernel_size", kernel_size))
        tokens = class_tokens + grid[0] * grid[1]
        self.scores = KeyConvolution(
            self.heads * self.head_dim,
            self.heads * tokens,
            kernel_size,
            padding=kernel_size // 2,
            groups=self.heads,
            bias=conv_bias,
        )
        if implementation != FUSED:  # as the query map is: neither a convolution nor patches must copy it at each call
            self.scores.weight.data = self.scores.weight.data.contiguous(memory_format=torch.channels_last)
        if implementation == FUSED:
            self.unfold = UnfoldedQueries(self.heads, kernel_size, UNFOLDED_BIAS_COLUMNS if conv_bias else 0)
        if class_tokens:
            self.class_scores = StaticKeyScores(self.heads, tokens, self.head_dim)
        if implementation == TILED:
            self.attention = TiledConvAttention(self.head_dim**-0.5, grid, self.tile, bias=conv_bias)
        elif implementation == TRITON:
            from skaprof.nn.triton_attention import TritonConvAttention

            self.attention = TritonConvAttention(self.head_dim**-0.5, grid, bias=conv_bias)
        elif class_tokens:
            self.concat = Concat()
        if conv_bias and not is_fused(implementation) and not self.has_learned_scale:
            self.bias_scale = Scale(self.head_dim**-0.5)

    def unfolded_key(self) -> Tensor:
        """K' (h, n, width): each key's convolution weights, then its bias and zeros where there is one."""
        key = self.scores.weight.flatten(1).unflatten(0, (self.heads, -1))
        if self.scores.bias is None:
            return key
        bias = F.pad(self.scores.bias.view(self.heads, -1, 1), (0, UNFOLDED_BIAS_COLUMNS - 1))
        return torch.cat((key, bias), dim=-1)

    def fused(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        q, v = self.query(x), self.split_heads(self.value(x))
        if self.implementation != FUSED:
            learned = (*self.scores.parameters(), *(self.class_scores.parameters() if self.class_tokens else ()))
            by_place: Tensor = self.attention(self.split_heads(q), v, *learned)
            return by_place
        patches = self.unfold(self._query_map(q, grid))
        del q  # unfolded, it is not read again
        mixed: Tensor = self.attention(patches, self.unfolded_key().expand(x.shape[0], -1, -1, -1), v)
        return mixed

    def scored(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        q = self.scaled(self.query(x))
        keys_by_position = self.scores(self._query_map(q, grid), *self._scaled_bias()).flatten(2)
        scores = keys_by_position.unflatten(1, (self.heads, -1)).transpose(-2, -1)
        if self.class_tokens:
            class_queries = self.split_heads(q[:, : self.class_tokens]).transpose(0, 1)
            class_scores = self.class_scores(copied(class_queries)).transpose(0, 1)
            del q, class_queries  # they are not read again
            return self.concat(class_scores, scores)
        del q
        return copied(scores)  # where the convolution's layout is let go of: softmax would copy it beside both

    def _scaled_bias(self) -> tuple[Tensor, ...]:
        if self.scores.bias is None:
            return ()
        return (self.scores.bias if self.has_learned_scale else self.bias_scale(self.scores.bias),)

    def _query_map(self, q: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """q (B, N, h * e) -> (B, h * e, H, W), without class tokens."""
        assert grid is not None
        return as_map(q[:, self.class_tokens :], grid)
