"""Modules as users write them: sound, unsound, and beyond the counters. The tests name them by path."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """As timm has it: one linear layer for q, k and v, and scaled_dot_product_attention."""

    def __init__(self, dim: int, num_heads: int = 4, *, fused: bool = True) -> None:
        super().__init__()
        self.num_heads, self.fused = num_heads, fused
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, attn_mask: Tensor | None = None) -> Tensor:
        batch, tokens, dim = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v, attn_mask)
        else:
            mixed = (q * 0.25 @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, dim))


class Block(nn.Module):
    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.attn = Attention(dim, num_heads)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), attn_mask=None)
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    """A small ViT with timm's names."""

    def __init__(self, dim: int = 96, depth: int = 2, num_heads: int = 3, *, tokens: int = 49, prefix: int = 1) -> None:
        super().__init__()
        self.patch_embed = nn.Conv2d(3, dim, 16, 16)
        self.prefix = nn.Parameter(torch.zeros(1, prefix, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens + prefix, dim))
        self.blocks = nn.Sequential(*(Block(dim, num_heads) for _ in range(depth)))
        self.head = nn.Linear(dim, 10)

    def forward(self, images: Tensor) -> Tensor:
        patches = self.patch_embed(images).flatten(2).transpose(1, 2)
        x = torch.cat((self.prefix.expand(images.shape[0], -1, -1), patches), dim=1)
        return self.head(self.blocks(x + self.pos_embed)[:, 0])


class Convolutional(nn.Module):
    """A network whose mixer takes (B, C, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 4, 4)
        self.mixer = DepthwiseConvolution(32)

    def forward(self, images: Tensor) -> list[Tensor]:
        return [self.mixer(self.stem(images))]


class DepthwiseConvolution(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(dim, dim, 3, padding=1, groups=dim)
        self.norm = nn.BatchNorm2d(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


class GridLinear(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        assert x.dim() == 4
        return self.linear(x)


class Fourier(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.fft(x, dim=1).real


class OffMeta(nn.Module):
    """Reads a value, which meta tensors have not."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x) * float(x.sum())


class Wider(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((x, x), dim=-1)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


class Unbuilt(nn.Module):
    def __init__(self) -> None:
        raise ValueError("no head count\nat all")


class Unrun(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("shapes cannot be multiplied")


class WithTuple(nn.Module):
    """A model that asks its attention for a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = nn.MultiheadAttention(48, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x, x, x)[0]


class Masked(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attn = Attention(48)
        self.spare = nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.attn(x, x.new_zeros(x.shape[1], x.shape[1]))


NOT_CALLABLE = 5


def number() -> int:
    return 5
