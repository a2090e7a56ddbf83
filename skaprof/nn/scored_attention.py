"""What the attention mixers share: values, the way from scores to output, and their forms."""

from __future__ import annotations

from typing import TypedDict, Unpack

from torch import Tensor, nn

from skaprof.errors import SkaprofError, bad_value
from skaprof.grids import parse_count
from skaprof.nn.layers import DiagonalMask, FusedAttention, LearnedScale, MatMul, Scale
from skaprof.nn.mixers import TokenMixer
from skaprof.nn.tiled_layers import TiledAttention
from skaprof.workload import FORMS, FUSED, TILED, TRITON, TRITON_MOST_HEAD_DIM, check_choice, is_fused, resolve_heads


class ScoreOptions(TypedDict, total=False):
    """What may be done to the scores beside the constant scale; in the eager form alone.

    learned_temperature: the scale is one learned value, which starts at head_dim^-1/2.
    diagonal_mask: no token attends to itself.
    """

    learned_temperature: bool
    diagonal_mask: bool


class ScoredAttention(TokenMixer):
    """What the attention mixers share: values, the way from scores to output, and the implementations."""

    forms: tuple[str, ...] = FORMS

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
        **scores: Unpack[ScoreOptions],
    ) -> None:
        super().__init__(grid, class_tokens)
        self.dim = parse_count("dim", dim)
        self.heads, self.head_dim = resolve_heads(dim, heads, head_dim)
        self.implementation = check_choice("implementation", implementation, self.forms)
        if implementation == TRITON and self.head_dim > TRITON_MOST_HEAD_DIM:
            raise bad_value("head_dim", self.head_dim, f"at most {TRITON_MOST_HEAD_DIM} in the {TRITON} form")
        if implementation != "eager" and any(scores.values()):
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
            self.attention = TiledAttention(factor)
        elif implementation == TRITON:
            from skaprof.nn.triton_attention import TritonAttention  # which loads PyTorch's counter, to be known to it

            self.attention = TritonAttention(factor)
        else:
            self.scale: nn.Module = LearnedScale(1, factor) if scores.get("learned_temperature") else Scale(factor)
            self.mask = DiagonalMask() if scores.get("diagonal_mask") else nn.Identity()
            self.softmax = nn.Softmax(dim=-1)
            self.mix = MatMul()

    def split_heads(self, x: Tensor) -> Tensor:
        """(B, N, h * e) -> (B, h, N, e)."""
        return x.unflatten(-1, (self.heads, self.head_dim)).transpose(1, 2)

    def merge_heads(self, x: Tensor) -> Tensor:
        """(B, h, N, e) -> (B, N, h * e), in one copy whatever the sizes: a strided view would make a bias a step."""
        return x.transpose(1, 2).contiguous().flatten(2)

    def mix_tokens(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        mixed = self.fused(x, grid) if is_fused(self.implementation) else self.attend(x, grid)
        output: Tensor = self.output(self.merge_heads(mixed))
        return output

    def fused(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """x (B, N, C) -> (B, h, N, e) through a fused kernel, or tile by tile."""
        raise NotImplementedError  # each mixer's own

    def scored(self, x: Tensor, grid: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        """x (B, N, C) -> scores (..., N, N) and values (..., N, e), with batch and heads in the same order."""
        raise NotImplementedError  # each mixer's own

    def attend(self, x: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """x (B, N, C) -> (B, h, N, e), step by step; each step lets go of what no later one reads."""
        scores, v = self.scored(x, grid)
        scores = self.scale(scores)
        scores = self.mask(scores)
        scores = self.softmax(scores)
        mixed: Tensor = self.mix(scores, v)
        return mixed
