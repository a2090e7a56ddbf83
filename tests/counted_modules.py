"""Ordinary modules, each with its multiply-adds worked out by hand: what the exact counter is held to.

A case is a module, the shapes of its inputs (whole numbers below a bound where it says so), and its MACs forward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shape = tuple[int, ...]
B, N, C = 2, 6, 12
"""Batch, tokens, channels."""


class Ids(NamedTuple):
    """An input of whole numbers below `bound`."""

    shape: Shape
    bound: int


class Case(NamedTuple):
    """A module as people write it, and its MACs by hand."""

    build: Callable[[], nn.Module]
    inputs: Sequence[Shape | Ids]
    macs: int

    def tensors(self) -> list[Tensor]:
        """Its inputs."""
        return [
            torch.randint(each.bound, each.shape) if isinstance(each, Ids) else torch.randn(each)
            for each in self.inputs
        ]


class Run(nn.Module):
    """A function of the inputs and of a weight (C, C)."""

    def __init__(self, run: Callable[..., Any]) -> None:
        super().__init__()
        self.run, self.weight = run, nn.Parameter(torch.randn(C, C))

    def forward(self, *inputs: Tensor) -> Any:
        return self.run(*inputs, self.weight)


def of(run: Callable[..., Any], macs: int, *inputs: Shape | Ids) -> Case:
    """The case of a function of some inputs, (B, N, C) unless others are named, and the weight."""
    return Case(lambda: Run(run), inputs or [(B, N, C)], macs)


def layer(make: Callable[[], nn.Module], macs: int, *inputs: Shape | Ids) -> Case:
    """The case of a layer of PyTorch's."""
    return Case(make, inputs or [(B, N, C)], macs)


def _elementwise() -> dict[str, Case]:
    """Layers without a product."""
    names = (
        *(
            "ELU",
            "Hardshrink",
            "Hardsigmoid",
            "Hardtanh",
            "Hardswish",
            "LeakyReLU",
            "LogSigmoid",
            "PReLU",
            "ReLU",
            "ReLU6",
        ),
        *("RReLU", "SELU", "CELU", "GELU", "Sigmoid", "SiLU", "Mish", "Softplus", "Softshrink", "Softsign", "Tanh"),
        *("Tanhshrink", "GLU", "Softmin", "Softmax", "LogSoftmax", "Dropout", "AlphaDropout", "Identity", "Flatten"),
    )
    plain = {f"nn.{name}": layer(getattr(nn, name), 0) for name in names}
    maps = (B, C, 8, 8)
    spatial: dict[str, Callable[[], nn.Module]] = {
        "nn.Threshold": lambda: nn.Threshold(0.1, 0),
        "nn.Softmax2d": nn.Softmax2d,
        "nn.Dropout2d": nn.Dropout2d,
        "nn.FeatureAlphaDropout": nn.FeatureAlphaDropout,
        "nn.BatchNorm2d": lambda: nn.BatchNorm2d(C),
        "nn.GroupNorm": lambda: nn.GroupNorm(3, C),
        "nn.InstanceNorm2d": lambda: nn.InstanceNorm2d(C, affine=True),
        "nn.LocalResponseNorm": lambda: nn.LocalResponseNorm(3),
        "nn.MaxPool2d": lambda: nn.MaxPool2d(2),
        "nn.AvgPool2d": lambda: nn.AvgPool2d(2),
        "nn.LPPool2d": lambda: nn.LPPool2d(2, 2),
        "nn.FractionalMaxPool2d": lambda: nn.FractionalMaxPool2d(3, output_size=4),
        "nn.AdaptiveAvgPool2d": lambda: nn.AdaptiveAvgPool2d(3),
        "nn.AdaptiveMaxPool2d": lambda: nn.AdaptiveMaxPool2d(3),
        "nn.ReflectionPad2d": lambda: nn.ReflectionPad2d(1),
        "nn.ReplicationPad2d": lambda: nn.ReplicationPad2d(1),
        "nn.ZeroPad2d": lambda: nn.ZeroPad2d(1),
        "nn.ConstantPad2d": lambda: nn.ConstantPad2d(1, 3.5),
        "nn.CircularPad2d": lambda: nn.CircularPad2d(1),
        "nn.PixelShuffle": lambda: nn.PixelShuffle(2),
        "nn.PixelUnshuffle": lambda: nn.PixelUnshuffle(2),
        "nn.ChannelShuffle": lambda: nn.ChannelShuffle(3),
        "nn.Upsample nearest": lambda: nn.Upsample(scale_factor=2),
        "nn.Upsample bilinear": lambda: nn.Upsample(scale_factor=2, mode="bilinear"),
        "nn.Upsample bicubic": lambda: nn.Upsample(scale_factor=2, mode="bicubic"),
        "nn.UpsamplingNearest2d": lambda: nn.UpsamplingNearest2d(scale_factor=2),
        "nn.UpsamplingBilinear2d": lambda: nn.UpsamplingBilinear2d(scale_factor=2),
        "nn.Unfold": lambda: nn.Unfold(3),
    }
    rows = {
        "nn.LayerNorm": layer(lambda: nn.LayerNorm(C), 0),
        "nn.RMSNorm": layer(lambda: nn.RMSNorm(C), 0),
        "nn.BatchNorm1d": layer(lambda: nn.BatchNorm1d(N), 0),
        "nn.InstanceNorm1d": layer(lambda: nn.InstanceNorm1d(N), 0),
        "nn.MaxPool1d": layer(lambda: nn.MaxPool1d(2), 0),
        "nn.AvgPool1d": layer(lambda: nn.AvgPool1d(2), 0),
        "nn.LPPool1d": layer(lambda: nn.LPPool1d(2, 2), 0),
        "nn.AdaptiveAvgPool1d": layer(lambda: nn.AdaptiveAvgPool1d(3), 0),
        "nn.AdaptiveMaxPool1d": layer(lambda: nn.AdaptiveMaxPool1d(3), 0),
        "nn.ReflectionPad1d": layer(lambda: nn.ReflectionPad1d(1), 0),
        "nn.ReplicationPad1d": layer(lambda: nn.ReplicationPad1d(1), 0),
        "nn.CosineSimilarity": layer(lambda: nn.CosineSimilarity(-1), 0, (B, C), (B, C)),
        "nn.PairwiseDistance": layer(nn.PairwiseDistance, 0, (B, C), (B, C)),
        "nn.Embedding": layer(lambda: nn.Embedding(9, C), 0, Ids((B, N), 9)),
        "nn.EmbeddingBag": layer(lambda: nn.EmbeddingBag(9, C), 0, Ids((B, N), 9)),
        "nn.Unflatten": layer(lambda: nn.Unflatten(-1, (3, 4)), 0),
        "nn.Fold": layer(lambda: nn.Fold(4, 2, stride=2), 0, (B, C, 4)),
        "nn.BatchNorm3d": layer(lambda: nn.BatchNorm3d(3), 0, (B, 3, 4, 4, 4)),
        "nn.MaxPool3d": layer(lambda: nn.MaxPool3d(2), 0, (B, 3, 4, 4, 4)),
        "nn.AvgPool3d": layer(lambda: nn.AvgPool3d(2), 0, (B, 3, 4, 4, 4)),
        "nn.AdaptiveAvgPool3d": layer(lambda: nn.AdaptiveAvgPool3d(2), 0, (B, 3, 4, 4, 4)),
        "nn.AdaptiveMaxPool3d": layer(lambda: nn.AdaptiveMaxPool3d(2), 0, (B, 3, 4, 4, 4)),
        "nn.ReplicationPad3d": layer(lambda: nn.ReplicationPad3d(1), 0, (B, 3, 4, 4, 4)),
        "nn.Upsample trilinear": layer(lambda: nn.Upsample(scale_factor=2, mode="trilinear"), 0, (B, 3, 4, 4, 4)),
    }
    losses = (
        *("L1Loss", "MSELoss", "SmoothL1Loss", "HuberLoss", "SoftMarginLoss", "KLDivLoss", "BCEWithLogitsLoss"),
        "PoissonNLLLoss",
    )
    scored = {f"nn.{name}": layer(getattr(nn, name), 0, (B, C), (B, C)) for name in losses}
    scored["nn.CrossEntropyLoss"] = layer(nn.CrossEntropyLoss, 0, (B, C), Ids((B,), C))
    scored["nn.NLLLoss"] = layer(nn.NLLLoss, 0, (B, C), Ids((B,), C))
    scored["nn.MultiMarginLoss"] = layer(nn.MultiMarginLoss, 0, (B, C), Ids((B,), C))
    scored["nn.TripletMarginLoss"] = layer(nn.TripletMarginLoss, 0, (B, C), (B, C), (B, C))
    return plain | {name: layer(make, 0, maps) for name, make in spatial.items()} | rows | scored


def _products() -> dict[str, Case]:
    """Matrix products in every spelling: of x (B, N, C) and a weight (C, C), unless said."""
    dense = B * N * C * C
    pairs = B * N * N * C
    return {
        "nn.Linear": layer(lambda: nn.Linear(C, 7), B * N * C * 7),
        "nn.Linear without bias": layer(lambda: nn.Linear(C, 7, bias=False), B * N * C * 7),
        "nn.Linear of a vector": layer(lambda: nn.Linear(C, 7), C * 7, (C,)),
        "nn.Linear of 5 axes": layer(lambda: nn.Linear(C, 7), 2 * 3 * 2 * 2 * C * 7, (2, 3, 2, 2, C)),
        "nn.LazyLinear": layer(lambda: nn.LazyLinear(7), B * N * C * 7),
        "nn.Bilinear": layer(lambda: nn.Bilinear(C, 5, 7), B * 7 * (C * 5 + 5), (B, C), (B, 5)),
        "x @ w": of(lambda x, w: x @ w, dense),
        "x @ w.T": of(lambda x, w: x @ w.T, dense),
        "torch.matmul": of(torch.matmul, dense),
        "w @ x": of(lambda x, w: w[:N, :N] @ x, B * N * N * C),
        "matrix by vector": of(lambda x, w: x @ w[0], B * N * C),
        "vector by matrix": of(lambda x, w: w[0] @ w, C * C),
        "vector by vector": of(lambda x, w: w[0] @ w[1], C),
        "torch.dot": of(lambda x, w: torch.dot(w[0], w[1]), C),
        "torch.vdot": of(lambda x, w: torch.vdot(w[0], w[1]), C),
        "torch.inner": of(torch.inner, dense),
        "torch.outer": of(lambda x, w: torch.outer(w[0], w[1]), 0),
        "torch.mm": of(lambda x, w: torch.mm(x[0], w), dense // B),
        "torch.mv": of(lambda x, w: torch.mv(w, w[0]), C * C),
        "torch.bmm": of(lambda x, w: torch.bmm(x, x.transpose(1, 2)), pairs),
        "torch.addmm": of(lambda x, w: torch.addmm(w[0], x[0], w), dense // B),
        "torch.addmv": of(lambda x, w: torch.addmv(w[0], w, w[1]), C * C),
        "torch.addbmm": of(lambda x, w: torch.addbmm(w[:N, :N], x, x.mT), pairs),
        "torch.baddbmm": of(lambda x, w: torch.baddbmm(x.sum(-1, keepdim=True), x, x.mT), pairs),
        "torch.addr": of(lambda x, w: torch.addr(w, w[0], w[1]), 0),
        "addmm_ in place": of(lambda x, w: torch.zeros(N, C).addmm_(x[0], w), dense // B),
        "broadcast batches": of(lambda x, w: x[:, None] @ w.expand(3, C, C), 3 * dense),
        "torch.tensordot": of(lambda x, w: torch.tensordot(x, w, 1), dense),
        "torch.chain_matmul": of(lambda x, w: torch.linalg.multi_dot([x[0], w, w]), 2 * N * C * C),
        "torch.matrix_power": of(lambda x, w: torch.matrix_power(w, 3), 2 * C**3),
        "torch.kron": of(lambda x, w: torch.kron(w, w), 0),
        "torch.cov": of(lambda x, w: torch.cov(w), C**3),
        "einsum bnc,cd->bnd": of(lambda x, w: torch.einsum("bnc,cd->bnd", x, w), dense),
        "einsum of sublists": of(lambda x, w: torch.einsum(x, [0, 1, 2], w, [2, 3], [0, 1, 3]), dense),
        "einsum without an arrow": of(lambda x, w: torch.einsum("ij,jk", x[0], w), dense // B),
        "einsum ...c,cd->...d": of(lambda x, w: torch.einsum("...c,cd->...d", x, w), dense),
        "einsum ...c,...c->...": of(lambda x, w: torch.einsum("...c,...c->...", x, x), B * N * C),
        "einsum bnc,c->bnc": of(lambda x, w: torch.einsum("bnc,c->bnc", x, w[0]), 0),
        "einsum bnc->cbn": of(lambda x, w: torch.einsum("bnc->cbn", x), 0),
        "einsum bnc->": of(lambda x, w: torch.einsum("bnc->", x), 0),
        "einsum ii->": of(lambda x, w: torch.einsum("ii->", w), 0),
        "einsum ij,ij->": of(lambda x, w: torch.einsum("ij,ij->", w, w), C * C),
        "einsum bnc,cd,de->bne": of(lambda x, w: torch.einsum("bnc,cd,de->bne", x, w, w), 2 * dense),
        "einsum bnc,bmc->bnm": of(lambda x, w: torch.einsum("bnc,bmc->bnm", x, x), pairs),
        "einsum bnc,bnd->bcd": of(lambda x, w: torch.einsum("bnc,bnd->bcd", x, x), B * N * C * C),
        "einsum bn,bm->bnm": of(lambda x, w: torch.einsum("bn,bm->bnm", x[..., 0], x[..., 1]), 0),
        "a weighted EmbeddingBag": Case(
            lambda: Run(lambda ids, x, w: F.embedding_bag(ids, w, per_sample_weights=x, mode="sum")),
            [Ids((B, N), C), (B, N)],
            B * N * C,
        ),
        "F.affine_grid and grid_sample": Case(
            lambda: Run(lambda x, w: F.grid_sample(x, F.affine_grid(w[:B, :6].unflatten(-1, (2, 3)), x.shape))),
            [(B, 3, 4, 5)],
            B * 4 * 5 * 2 * 3,
        ),
        "F.bilinear": of(lambda x, y, w: F.bilinear(x, y, w.expand(3, C, C)), B * 3 * (C * C + C), (B, C), (B, C)),
        "complex product": of(lambda x, w: (x.to(torch.complex64) @ w.to(torch.complex64)).real, 4 * dense),
        "complex einsum": of(
            lambda x, w: torch.einsum("bnc,cd->bnd", x + 0j, w + 0j).imag,
            4 * dense,
        ),
        "view_as_complex, elementwise": of(lambda x, w: torch.view_as_complex(x.unflatten(-1, (-1, 2))).abs(), 0),
        "torch.cross": of(lambda x, w: torch.linalg.cross(x[..., :3], x[..., 3:6]), 0),
        "torch.vmap": of(lambda x, w: torch.vmap(lambda row: row @ w)(x), dense),
        "spectral_norm": Case(
            lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(C, C)).eval(),
            [(B, N, C)],
            dense + C * C + C,
        ),
        "weight_norm": Case(lambda: nn.utils.parametrizations.weight_norm(nn.Linear(C, C)), [(B, N, C)], dense),
    }


def _convolutions() -> dict[str, Case]:
    """Convolutions by rank, groups, stride, dilation, padding and direction."""

    def conv(rank: int, macs: int, *, side: int = 8, **options: Any) -> Case:
        made = getattr(nn, f"Conv{rank}d")
        return layer(lambda: made(C, 18, 3, **options), macs, (B, C, *[side] * rank))

    def transposed(rank: int, **options: Any) -> Case:
        made = getattr(nn, f"ConvTranspose{rank}d")
        groups = options.get("groups", 1)
        return layer(lambda: made(C, 18, 3, **options), B * 5**rank * C * 18 // groups * 3**rank, (B, C, *[5] * rank))

    each = {rank: C * 18 * 3**rank for rank in (1, 2, 3)}
    found = {
        f"nn.Conv{rank}d {words}": conv(rank, B * positions**rank * each[rank] // groups, **options)
        for rank in (1, 2, 3)
        for words, positions, groups, options in (
            ("plain", 6, 1, {}),
            ("padding 1", 8, 1, {"padding": 1}),
            ("padding same", 8, 1, {"padding": "same"}),
            ("padding valid", 6, 1, {"padding": "valid"}),
            ("stride 2", 3, 1, {"stride": 2}),
            ("dilation 2", 4, 1, {"dilation": 2}),
            ("groups 3", 6, 3, {"groups": 3}),
            ("padding circular", 8, 1, {"padding": 1, "padding_mode": "circular"}),
        )
    }
    found |= {
        f"nn.ConvTranspose{rank}d {words}": transposed(rank, **options)
        for rank in (1, 2, 3)
        for words, options in (
            ("plain", {}),
            ("stride 2", {"stride": 2, "output_padding": 1}),
            ("groups 3", {"groups": 3}),
            ("dilation 2", {"dilation": 2}),
        )
    }
    return found | {
        "nn.Conv2d depthwise": layer(lambda: nn.Conv2d(C, C, 7, padding=3, groups=C), B * C * 64 * 49, (B, C, 8, 8)),
        "nn.Conv2d 1 x 1": layer(lambda: nn.Conv2d(C, 5, 1), B * 64 * C * 5, (B, C, 8, 8)),
        "nn.Conv2d patches": layer(lambda: nn.Conv2d(3, C, 4, 4), B * 4 * C * 3 * 16, (B, 3, 8, 8)),
        "nn.Conv2d 3 x 5": layer(lambda: nn.Conv2d(C, 5, (3, 5)), B * 6 * 4 * C * 5 * 15, (B, C, 8, 8)),
        "nn.Conv2d of one image": layer(lambda: nn.Conv2d(C, 5, 3), 36 * C * 5 * 9, (C, 8, 8)),
        "nn.LazyConv2d": layer(lambda: nn.LazyConv2d(5, 3), B * 36 * C * 5 * 9, (B, C, 8, 8)),
        "F.conv2d of its input's weights": Case(
            lambda: Run(lambda x, k, w: F.conv2d(x, k, groups=2)), [(1, 4, 6, 6), (6, 2, 3, 3)], 16 * 6 * 2 * 9
        ),
        "F.conv1d by name": of(lambda x, w: F.conv1d(input=x, weight=w[:, :N, None]), B * C * N * C),
        "torch.conv_tbc": Case(
            lambda: Run(lambda x, k, w: torch.conv_tbc(x, k, torch.zeros(5))), [(8, B, C), (3, C, 5)], B * 6 * 3 * C * 5
        ),
    }


def _recurrent() -> dict[str, Case]:
    """Recurrent layers: each weight once for each step."""
    found: dict[str, Case] = {}
    for name, gates in (("RNN", 1), ("GRU", 3), ("LSTM", 4)):
        made = getattr(nn, name)
        one = gates * 5 * (C + 5)
        found |= {
            f"nn.{name}": layer(lambda made=made: made(C, 5), B * N * one),
            f"nn.{name} batch first": layer(lambda made=made: made(C, 5, batch_first=True), B * N * one),
            f"nn.{name} both ways": layer(lambda made=made: made(C, 5, bidirectional=True), 2 * B * N * one),
            f"nn.{name} of 2 layers": layer(lambda made=made: made(C, 5, 2), B * N * (one + gates * 5 * 10)),
            f"nn.{name} of one sequence": layer(lambda made=made: made(C, 5), N * one, (N, C)),
            f"nn.{name} without bias": layer(lambda made=made: made(C, 5, bias=False), B * N * one),
            f"nn.{name}Cell": layer(lambda name=name: getattr(nn, f"{name}Cell")(C, 5), B * one, (B, C)),
        }
    projected = B * N * (4 * 5 * (C + 3) + 5 * 3)
    return found | {
        "nn.LSTM projected": layer(lambda: nn.LSTM(C, 5, proj_size=3), projected),
        "nn.RNN relu": layer(lambda: nn.RNN(C, 5, nonlinearity="relu"), B * N * 5 * (C + 5)),
        "a packed nn.GRU": Case(_Packed, [(N, B, C)], (N + N - 2) * 3 * 5 * (C + 5)),
    }


class _Packed(nn.Module):
    """Sequences of N and N - 2 steps, packed."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(C, 5)

    def forward(self, x: Tensor) -> Tensor:
        packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([N, N - 2], device="cpu"))
        return nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0])[0]


def hand_cases() -> dict[str, Case]:
    """All cases, by name."""
    from counted_attention import attention_cases

    return _elementwise() | _products() | _convolutions() | _recurrent() | attention_cases()
