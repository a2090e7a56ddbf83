"""What the attention mixers share: values, the way from scores to output, and their forms."""

from __future__ import annotations

from typing import TypedDict

from torch import Tensor, nn

from skaprof.errors import SkaprofError, bad_value
from skaprof.grids import parse_count
from skaprof.nn.functional import tile_rows
from skaprof.nn.layers import DiagonalMask, FusedAttention, LearnedScale, MatMul, Scale, copied
from skaprof.nn.mixers import TokenMixer
from skaprof.nn.tiled_layers import TiledAttention
from skaprof.workload import FORMS, FUSED, TILED, TRITON, TRITON_MOST_HEAD_DIM, check_choice, is_fused, resolve_heads


class ScoreOptions(TypedDict, total=False):
    """How scores are made.

    learned_temperature: in the eager form, the scale is one learned value, on the scores, from head_dim^-1/2 on.
    diagonal_mask: in the eager form, no token attends to itself.
    tile: in the tiled form, most rows at a time, as `skaprof.nn.functional` has it; by their size where none is given.
    """

    learned_temperature: bool
    diagonal_mask: bool
    tile: int | None


class ScoredAttention(TokenMixer):
    """What the attention mixers share: values, the way from scores to output, and the implementations."""

    forms: tuple[str, ...] = FORMS
    heads_first = False
    """Whether eager scores have heads before images."""

    def __init__(
        self,
        dim: int,
        heads: int | None,
        head_dim: int | None,
        *,
        bias: bool,
        implementation: str,
        grid: tuple[int, int] | None,
        has_query: bool = True,
        class_tokens: int = 0,
        learned_temperature: bool = False,
        diagonal_mask: bool = False,
        tile: int | None = None,
    ) -> None:
        super().__init__(grid, class_tokens)
        self.dim = parse_count("dim", dim)
        self.heads, self.head_dim = resolve_heads(dim, heads, head_dim)
        self.implementation = check_choice("implementation", implementation, self.forms)
        if implementation == TRITON and self.head_dim > TRITON_MOST_HEAD_DIM:
            raise bad_value("head_dim", self.head_dim, f"at most {TRITON_MOST_HEAD_DIM} in the {TRITON} form")
        self.tile = tile_rows(tile)
        if tile is not None and implementation != TILED:
            raise bad_value("tile", tile, f"none: it is of implementation={TILED!r} alone")
        if implementation != "eager" and (learned_temperature or diagonal_mask):
            raise SkaprofError(
                f"{type(self).__name__}: a learned temperature or a diagonal mask has the eager form alone, "
                f"no {implementation} one"
            )
        attention_dim = self.heads * self.head_dim
        if has_query:
            self.query = nn.Linear(dim, attention_dim, bias=bias)
        self.value = nn.Linear(dim, attention_dim, bias=bias)
        self.output = nn.Linear(attention_dim, dim, bias=bias)
        factor = self.head_dim**-0.5
        if implementation == FUSED:
            self.attention: nn.Module = FusedAttention(factor)
        elif implementation == TILED:
            self.attention = TiledAttention(factor, self.tile)
        elif implementation == TRITON:
            from skaprof.nn.triton_attention import TritonAttention  # which loads PyTorch's counter, to be known to it

            self.attention = TritonAttention(factor)
        else:
            self.scale: nn.Module = LearnedScale(1, factor) if learned_temperature else Scale(factor)
            self.mask = DiagonalMask() if diagonal_mask else nn.Identity()
            self.softmax = nn.Softmax(dim=-1)
            self.mix = MatMul()

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, N, h * e) -> (B, h, N, e)."""
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)

    def by_head(self, x: Tensor) -> Tensor:
        """(B, N, h * e) -> (B, h, N, e), or (h, B, N, e), in a copy: a product of several images makes one anyway, and
        this one takes the place of x."""
        heads = self.split_heads(x)
        return copied(heads.transpose(0, 1) if self.heads_first else heads)

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        mixed = self.fused(x, grid).transpose(1, 2) if is_fused(self.implementation) else self.attend(x, grid)
        mixed = mixed.contiguous()  # as attend's is: a strided view would make the output's bias a step of its own
        output: Tensor = self.output(mixed.flatten(2))
        return output

    def fused(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """x (B, N, C) -> (B, h, N, e) through a fused kernel, or tile by tile."""
        raise NotImplementedError  # each mixer's own

    def scored(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """x (B, N, C) -> scores (B, h, N, N), or (h, B, N, N), of queries that `scaled` gave."""
        raise NotImplementedError  # each mixer's own

    @property
    def has_learned_scale(self) -> bool:
        """Whether the scale is learned: then it is one of the scores."""
        return isinstance(self.scale, LearnedScale)

    def scaled(self, queries: Tensor) -> Tensor:
        """The queries times the scale, where that is no learned one: they are fewer than the scores."""
        return queries if self.has_learned_scale else self.scale(queries)

    def attend(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """x (B, N, C) -> (B, N, h, e), step by step; each step lets go of what no later one reads.

        Values come after the softmax: they would lie beside the scores and the weights.
        """
        scores = self.scored(x, grid)
        if self.has_learned_scale:
            scores = self.scale(scores)
        scores = self.mask(scores)
        weights = self.softmax(scores)
        del scores
        mixed = self.mix(weights, self.by_head(self.value(x)))
        del weights
        by_image = mixed.transpose(0, 1) if self.heads_first else mixed
        return copied(by_image.transpose(1, 2))
