"""How fast `skaprof accuracy` trains, against the same network and loop written by hand in plain PyTorch."""

from __future__ import annotations

import statistics
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from skaprof.analysis.contenders import contenders
from skaprof.train.images import checked
from skaprof.train.recipe import Recipe
from skaprof.train.training import Training, pictures_of

IMAGES, CLASSES, BATCH, SIDE = 1024, 10, 64, 28
DIM, HEADS, DEPTH = 32, 4, 3


class Block(nn.Module):
    """As one writes it: one linear layer for queries, keys and values, and PyTorch's fused attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
        self.qkv, self.out = nn.Linear(DIM, 3 * DIM, bias=False), nn.Linear(DIM, DIM, bias=False)
        self.mlp = nn.Sequential(nn.Linear(DIM, 2 * DIM), nn.GELU(), nn.Linear(2 * DIM, DIM))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.qkv(self.norm1(x)).unflatten(-1, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, DIM, 4, 4)
        self.position = nn.Parameter(torch.randn(1, (SIDE // 4) ** 2, DIM))
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.norm, self.head = nn.LayerNorm(DIM), nn.Linear(DIM, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(x).mean(1)))


def by_hand(images: torch.Tensor, labels: torch.Tensor) -> float:
    """CPU seconds of an epoch."""
    model = ViT()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, IMAGES // BATCH)
    start = time.process_time()
    for places in torch.randperm(IMAGES).split(BATCH):
        loss = F.cross_entropy(model(images[places]), labels[places])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return time.process_time() - start


def by_skaprof(training: Training) -> float:
    """CPU seconds of an epoch."""
    training.step = 0
    start = time.process_time()
    for _ in range(training.steps_an_epoch):
        training.advance()
    return time.process_time() - start


def training(rounds: int = 15) -> None:
    """Both in turn, and then the other way round: the ratio of images a second, a round each."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    raw, labels = rng.integers(0, 256, (IMAGES, SIDE, SIDE), np.uint8), np.arange(IMAGES) % CLASSES
    data = checked("random", [raw, labels, raw[:64], labels[:64]])
    floats = torch.from_numpy(raw).float().div(255).unsqueeze(1).expand(-1, 3, -1, -1).contiguous()
    network = contenders(["vit_micro"], (SIDE, SIDE), CLASSES)[0].network
    ours = Training(network, Recipe(batch=BATCH), 0, 1e-3, pictures_of(data, "cpu")[0], np.arange(IMAGES))
    assert sum(p.numel() for p in ours.module.parameters()) == sum(p.numel() for p in ViT().parameters())
    times = []
    for place in range(rounds + 1):
        theirs_first = by_hand(floats, torch.from_numpy(labels)) if place % 2 else None
        own = by_skaprof(ours)
        times.append((own, theirs_first or by_hand(floats, torch.from_numpy(labels))))
    ratios = sorted(theirs / own for own, theirs in times[1:])
    own, theirs = (IMAGES / statistics.median(column) for column in zip(*times[1:], strict=True))
    quartiles = f"quartiles {ratios[len(ratios) // 4]:.2f} to {ratios[3 * len(ratios) // 4]:.2f}"
    print(
        f"training vit_micro, batch {BATCH}, one thread: {own:,.0f} images a CPU second against {theirs:,.0f} by hand, "
        f"ratio {statistics.median(ratios):.2f} ({quartiles}, {rounds} rounds, goal at least 1)"
    )
