"""Whole models as users write them: sound ones, and such as fail in every way. The tests name them by path."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from user_models import VisionTransformer


def vit_base() -> nn.Module:
    """ViT-B/16."""
    return VisionTransformer(768, 12, 12, tokens=196, classes=1000)


class Residual(nn.Module):
    """Convolutions, normalized, in place where that is usual; a branch that no input takes."""

    def __init__(self) -> None:
        super().__init__()
        parts = nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.stem = nn.Sequential(*parts)
        self.body = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(2))
        self.spare = nn.Linear(3, 3)
        self.head = nn.Linear(16, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.stem(images)
        for convolution in self.body:
            x = F.relu_(x + convolution(x))
        return self.head(x.mean((2, 3)))


class Tied(nn.Module):
    """A language model whose head has the embedding's weight; it is called with keywords."""

    def __init__(self, words: int = 50, dim: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, dim)
        self.block = nn.Linear(dim, dim)
        self.head = nn.Linear(dim, words, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> dict[str, Tensor]:
        x = self.block(self.embedding(ids))
        return {"logits": self.head(x if mask is None else x * mask[..., None])}


def ids_and_mask() -> dict[str, Tensor]:
    return {"ids": torch.zeros(2, 7, dtype=torch.int64), "mask": torch.ones(2, 7)}


def no_inputs() -> str:
    return "nothing"


def failing_inputs() -> Tensor:
    raise OSError("no images here")


class TwoInputs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(8, 4), nn.Linear(16, 4)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.left(x), self.right(y)


def half() -> nn.Module:
    return VisionTransformer().half()


class Textual(nn.Module):
    """Gives no tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> str:
        return str(self.linear(x).shape)


class Leaving(nn.Module):
    """Does half of its work where PyTorch does not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.hidden = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.seen(x) + torch.from_numpy(x.numpy() @ self.hidden.weight.detach().numpy().T)


def failing() -> nn.Module:
    raise KeyError("no such checkpoint")


def of_skaprof(name: str) -> nn.Module:
    """A backbone of skaprof's own, as anybody's model."""
    from skaprof.model.choice import open_backbone
    from skaprof.model.network import make_network
    from skaprof.nn import build_network

    return build_network(make_network(open_backbone(name), 32, 32, 2))


class Lossy(nn.Module):
    """Gives a loss and labels before its numbers, as models do that are given labels."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        y = self.linear(x)
        return y.mean(), y.argmax(-1), y


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).mean((2, 3))


class Sound(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x)


class Keeping(Sound):
    kept: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.kept is None:
            self.kept = super().forward(x)
        return self.kept


class Listed(nn.Module):
    """Its first half has its weight in a plain list."""

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weights = [torch.ones(8, 8)]

        def forward(self, x: Tensor) -> Tensor:
            return x @ self.weights[0]

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = self.Half(), nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("near", torch.eye(4).to_sparse())

    def forward(self, x: Tensor) -> Tensor:
        return torch.sparse.mm(self.near, x)


class Slope(Sound):
    """The gradient of a function in its forward."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.func.grad(lambda y: self.linear(y).square().sum())(x)


class Chosen(Sound):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > -1e9, self.linear, lambda y: y, (x,))


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(x)[0]


def dynamic() -> nn.Module:
    return torch.ao.quantization.quantize_dynamic(Steps(), {nn.LSTM})


def scripted() -> nn.Module:
    return torch.jit.script(Sound())


@dataclass
class Answer:
    logits: Tensor


class Answering(Sound):
    def forward(self, x: Tensor) -> Answer:
        return Answer(super().forward(x))
