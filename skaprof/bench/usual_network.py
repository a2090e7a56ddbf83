"""A network of what users' own models have and mixers' networks do not: its ops are timed for predictions of those."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = (nn.ReLU, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.Tanh, nn.GELU, nn.ELU, nn.LeakyReLU)


class UsualNetwork(nn.Module):
    """Images (B, 3, H, W) through a stem with pooling, two residual blocks with a gate, and a head.

    Convolutions are 3 x 3, 1 x 1, strided and depthwise; norms are of the batch; activations go by the number, in place
    in every other network.
    """

    def __init__(self, dim: int, number: int) -> None:
        super().__init__()
        act = ACTIVATIONS[number % len(ACTIVATIONS)]
        relu = nn.ReLU(inplace=bool(number % 2))
        wide = 2 * dim
        stem = nn.Conv2d(3, dim, 7, 2, 3, bias=False), nn.BatchNorm2d(dim), relu, nn.MaxPool2d(3, 2, 1)
        self.stem = nn.Sequential(*stem)
        self.block = nn.Sequential(nn.Conv2d(dim, dim, 3, padding=1, bias=False), nn.BatchNorm2d(dim), act())
        self.narrow = nn.Sequential(nn.Conv2d(dim, dim, 1), act(), nn.Conv2d(dim, dim, 3, padding=1, groups=dim))
        self.down = nn.Sequential(nn.Conv2d(dim, wide, 3, 2, 1, bias=False), nn.BatchNorm2d(wide))
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, wide, 1), nn.Sigmoid())
        self.head = nn.Linear(2 * wide, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (B, 10)."""
        x = self.stem(images)
        x = F.relu(x + self.block(x))
        x = self.down(x + self.narrow(x))
        x = x * self.gate(x)
        largest = F.max_pool2d(F.avg_pool2d(x, 2), (x.shape[-2] // 2, x.shape[-1] // 2))
        pooled = torch.cat((x.mean((2, 3)), largest.flatten(1)), dim=1)
        return torch.softmax(self.head(pooled), dim=-1)
