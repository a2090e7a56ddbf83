"""Attention as people write it, its multiply-adds by hand: q, k, v and output projections, and two products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from counted_modules import B, C, Case, N, Run
from torch import Tensor, nn

H, E = 3, 4
"""Heads, and their width; H * E is C."""
PROJECTIONS = 4 * B * N * C * C
PRODUCTS = 2 * B * N * N * C
LEVEL = (B, H, N, E)
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class Attention(nn.Module):
    """Self-attention whose two products are written in one way or another, on q, k, v (B, H, N, E)."""

    def __init__(self, attend: Attend) -> None:
        super().__init__()
        self.qkv, self.proj, self.attend = nn.Linear(C, 3 * C), nn.Linear(C, C), attend

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, H, E)).permute(2, 0, 3, 1, 4)
        return self.proj(self.attend(q, k, v).transpose(1, 2).flatten(2))


def _sdpa(**options: Any) -> Attend:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **options)


def _baddbmm(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    bias = q.new_zeros(B * H, N, N)
    scores = torch.baddbmm(bias, q.flatten(0, 1), k.flatten(0, 1).mT, alpha=0.5)
    return torch.bmm(scores.softmax(-1), v.flatten(0, 1)).unflatten(0, (B, H))


def _by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.stack([(q[:, h] @ k[:, h].mT).softmax(-1) @ v[:, h] for h in range(H)], 1)


def _by_chunk(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return torch.cat([(part @ k.mT).softmax(-1) @ v for part in q.chunk(2, dim=2)], 2)


def _masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    mask = torch.ones(N, N, device=q.device).triu(1).bool()
    return (q @ k.mT * 0.5).masked_fill(mask, float("-inf")).softmax(-1) @ v


def _rotated(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    angle = torch.outer(torch.arange(N, device=q.device), torch.arange(E // 2, device=q.device)).repeat(1, 2)
    turned = [x * angle.cos() + torch.cat((-x[..., E // 2 :], x[..., : E // 2]), -1) * angle.sin() for x in (q, k)]
    return F.scaled_dot_product_attention(*turned, v)


def _linear(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return q.softmax(-1) @ (k.softmax(-2).mT @ v)


SPELLINGS: dict[str, Attend] = {
    "@": lambda q, k, v: (q @ k.mT * 0.5).softmax(-1) @ v,
    "matmul": lambda q, k, v: torch.matmul(torch.matmul(q, k.transpose(-2, -1)).softmax(-1), v),
    "einsum": lambda q, k, v: torch.einsum("bhnm,bhme->bhne", torch.einsum("bhne,bhme->bhnm", q, k).softmax(-1), v),
    "einsum with ...": lambda q, k, v: torch.einsum(
        "...nm,...me->...ne", torch.einsum("...ne,...me->...nm", q, k).softmax(-1), v
    ),
    "bmm": lambda q, k, v: torch.bmm(
        torch.bmm(q.flatten(0, 1), k.flatten(0, 1).mT).softmax(-1), v.flatten(0, 1)
    ).unflatten(0, (B, H)),
    "baddbmm": _baddbmm,
    "head by head": _by_head,
    "in chunks": _by_chunk,
    "masked": _masked,
    "rotated": _rotated,
    "scaled_dot_product_attention": _sdpa(),
    "scaled_dot_product_attention, causal": _sdpa(is_causal=True),
    "scaled_dot_product_attention, a scale": _sdpa(scale=0.3),
    "scaled_dot_product_attention, a mask": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, torch.zeros(N, N, device=q.device)
    ),
    "scaled_dot_product_attention, a bool mask": lambda q, k, v: F.scaled_dot_product_attention(
        q, k, v, torch.ones(B, 1, N, N, dtype=torch.bool, device=q.device)
    ),
    "scaled_dot_product_attention, heads as batch": lambda q, k, v: F.scaled_dot_product_attention(
        q.flatten(0, 1), k.flatten(0, 1), v.flatten(0, 1)
    ).unflatten(0, (B, H)),
    "scaled_dot_product_attention, one key for all heads": lambda q, k, v: F.scaled_dot_product_attention(
        q, k[:, :1].expand(-1, H, -1, -1), v[:, :1].expand(-1, H, -1, -1)
    ),
    "scaled_dot_product_attention, grouped queries": lambda q, k, v: F.scaled_dot_product_attention(
        q, k[:, :1], v[:, :1], enable_gqa=True
    ),
    "cosine": lambda q, k, v: (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT).softmax(-1) @ v,
    "checkpointed": lambda q, k, v: torch.utils.checkpoint.checkpoint(
        F.scaled_dot_product_attention, q, k, v, use_reentrant=False
    ),
}
"""One attention in twenty spellings: the same MACs forward."""


def attention_cases() -> dict[str, Case]:
    """Attention in every spelling, and PyTorch's own layers of it."""
    spelled = {
        f"attention: {name}": Case(lambda attend=attend: Attention(attend), [(B, N, C)], PROJECTIONS + PRODUCTS)
        for name, attend in SPELLINGS.items()
    }

    def multihead(macs: int, *, weights: bool = False, **options: Any) -> Case:
        wide = {"k": options.get("kdim", C), "v": options.get("vdim", C)}

        class Layer(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.attn = nn.MultiheadAttention(C, H, batch_first=True, **options)

            def forward(self, x: Tensor) -> Tensor:
                keys = [x.new_ones(*x.shape[:2], width) for width in wide.values()]
                return self.attn(x, *keys, need_weights=weights)[0]

        return Case(Layer, [(B, N, C)], macs)

    encoder, decoder = 2 * B * N * C * 20, 2 * (PROJECTIONS + PRODUCTS) + 2 * B * N * C * 20
    wide = B * N * C * (2 * C + 5 + 7) + PRODUCTS
    return spelled | {
        "attention: linear": Case(lambda: Attention(_linear), [(B, N, C)], PROJECTIONS + 2 * B * N * C * E),
        "nn.MultiheadAttention": multihead(PROJECTIONS + PRODUCTS),
        "nn.MultiheadAttention with its weights": multihead(PROJECTIONS + PRODUCTS, weights=True),
        "nn.MultiheadAttention of other widths": multihead(wide, kdim=5, vdim=7),
        "nn.MultiheadAttention with learned keys": multihead(PROJECTIONS + 2 * B * N * (N + 1) * C, add_bias_kv=True),
        "nn.TransformerEncoderLayer": Case(
            lambda: nn.TransformerEncoderLayer(C, H, 20, batch_first=True),
            [(B, N, C)],
            PROJECTIONS + PRODUCTS + encoder,
        ),
        "nn.TransformerEncoderLayer, norm first": Case(
            lambda: nn.TransformerEncoderLayer(C, H, 20, batch_first=True, norm_first=True, activation="gelu"),
            [(B, N, C)],
            PROJECTIONS + PRODUCTS + encoder,
        ),
        "nn.TransformerEncoder": Case(
            lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(C, H, 20, batch_first=True), 2),
            [(B, N, C)],
            2 * (PROJECTIONS + PRODUCTS + encoder),
        ),
        "nn.TransformerDecoderLayer": Case(
            lambda: nn.TransformerDecoderLayer(C, H, 20, batch_first=True), [(B, N, C), (B, N, C)], decoder
        ),
        "nn.Transformer": Case(
            lambda: nn.Transformer(C, H, 1, 1, 20, batch_first=True),
            [(B, N, C), (B, N, C)],
            PROJECTIONS + PRODUCTS + encoder + decoder,
        ),
        "flex_attention": Case(lambda: Run(_flex), [LEVEL], PRODUCTS),
        "torch._native_multi_head_attention": Case(_Fast, [(B, N, C)], PROJECTIONS + PRODUCTS),
    }


def _flex(q: Tensor, weight: Tensor) -> Tensor:
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(q, q, q, score_mod=lambda score, b, h, i, j: score - (i - j).abs())


class _Fast(nn.Module):
    """PyTorch's fast path, called by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(C, H, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        own = self.attn
        return torch._native_multi_head_attention(
            x, x, x, C, H, own.in_proj_weight, own.in_proj_bias, own.out_proj.weight, own.out_proj.bias
        )[0]
