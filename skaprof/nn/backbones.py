"""Whole backbones as modules: each submodule has the name of its op in `skaprof.model.network`."""

from __future__ import annotations

from torch import Tensor, nn

from skaprof.model.backbones import IMAGE_CHANNELS, Backbone, Stage
from skaprof.model.network import HEAD_RATIO, Network, Placed, PlacedMixer
from skaprof.nn.build import build_mixer
from skaprof.nn.layers import (
    Add,
    ClassToken,
    ImageNorm,
    LearnedScale,
    Position,
    Shift,
    SquaredReLU,
    StarReLU,
    TokenMean,
)

_EPS = 1e-6


def build_network(network: Network) -> BackboneNetwork:
    """The network as a module on the default device (use `with torch.device("meta")` for no memory)."""
    return BackboneNetwork(network)


class BackboneNetwork(nn.Module):
    """A backbone: images (B, 3, H, W) -> logits (B, classes), or without a head each stage's (B, C, H', W')."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.depth = len(network.stages)
        self.class_tokens = network.class_tokens
        self.grids = [(placed.workload.height, placed.workload.width) for placed in network.stages]
        self.stem = _STEMS[network.backbone.stem](network)
        for number, placed in enumerate(network.stages, start=1):
            self.add_module(f"stage{number}", _Stage(network, number, placed))
        self.head = _Head(network) if network.has_head else None

    def blocks(self) -> list[nn.Module]:
        """Every block, stem to head: each has a `mixer` and an `mlp`, and a shortcut beside either."""
        return [block for block in self.modules() if isinstance(block, _Block)]

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """images (B, 3, H, W), of the size the network was built for where it has positions or static keys."""
        x = self.stem(images)
        features = []
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"stage{number}")(x)
            features.append(x)
        if self.head is not None:
            return self.head(x)
        return [self._as_map(feature, grid) for feature, grid in zip(features, self.grids, strict=True)]

    def _as_map(self, x: Tensor, grid: tuple[int, int]) -> Tensor:
        """(B, H, W, C), or (B, N, C) with class tokens first -> (B, C, H, W)."""
        if x.dim() == 3:
            x = x[:, self.class_tokens :].unflatten(1, grid)
        return x.permute(0, 3, 1, 2)


class _ConvolutionStem(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        dim = network.backbone.stages[0].dim
        self.conv = nn.Conv2d(IMAGE_CHANNELS, dim, *network.backbone.stem_window)
        self.norm = nn.LayerNorm(dim, eps=_EPS, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, H', W', C)."""
        return self.norm(self.conv(images).permute(0, 2, 3, 1))


class _PatchStem(nn.Module):
    """Patches as tokens, with positions, and a class token where the network has one: (B, 3, H, W) -> (B, N, C)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        w = network.stages[0].workload
        self.class_token = ClassToken(w.dim) if network.class_tokens else nn.Identity()
        self.position = Position(w.tokens, w.dim, network.backbone.position_std)
        self._add_projection(network)

    def _add_projection(self, network: Network) -> None:
        dim = network.backbone.stages[0].dim
        self.projection: nn.Module = nn.Conv2d(IMAGE_CHANNELS, dim, *network.backbone.stem_window)

    def patches(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, positions, C)."""
        return self.projection(images).flatten(2).transpose(1, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.position(self.class_token(self.patches(images)))


class _ShiftedPatchStem(_PatchStem):
    def _add_projection(self, network: Network) -> None:
        self.patch = network.backbone.stem_window.stride
        values = 5 * IMAGE_CHANNELS * self.patch * self.patch
        self.shift = Shift()
        self.norm = nn.LayerNorm(values)
        self.projection = nn.Linear(values, network.backbone.stages[0].dim)

    def patches(self, images: Tensor) -> Tensor:
        shifted = self.shift(images).unflatten(3, (-1, self.patch)).unflatten(2, (-1, self.patch))
        by_patch = shifted.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # (B, positions, patch * patch * 15)
        return self.projection(self.norm(by_patch))


_STEMS: dict[str, type[nn.Module]] = {
    "convolution": _ConvolutionStem,
    "patches": _PatchStem,
    "shifted_patches": _ShiftedPatchStem,
}


class _Stage(nn.Module):
    """Downsampling, but for the first stage, and blocks: (B, H, W, C) or (B, N, C) in and out."""

    def __init__(self, network: Network, number: int, placed: Placed) -> None:
        super().__init__()
        if number > 1:
            self.downsampling = _Downsampling(network, network.stages[number - 2].stage.dim, placed.stage.dim)
        for place, mixer in enumerate(placed.blocks, start=1):
            self.add_module(f"block{place}", _Block(network.backbone, placed.stage, mixer))

    def forward(self, x: Tensor) -> Tensor:
        for part in self.children():
            x = part(x)
        return x


class _Downsampling(nn.Module):
    def __init__(self, network: Network, dim: int, out_dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim, eps=_EPS, bias=False)
        self.conv = nn.Conv2d(dim, out_dim, *network.backbone.downsampling_window)

    def forward(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> (B, H', W', C')."""
        return self.conv(self.norm(x).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)


class _Block(nn.Module):
    """Norm, mixer, shortcut; norm, MLP, shortcut. The shortcuts' scales are learned where the stage has them."""

    def __init__(self, backbone: Backbone, stage: Stage, placed: PlacedMixer) -> None:
        super().__init__()
        dim, scaled = stage.dim, stage.residual_scale
        self.norm1 = _norm(backbone, dim)
        self.mixer = build_mixer(placed.spec, placed.workload, placed.implementation)
        self.residual_scale1 = LearnedScale(dim) if scaled else nn.Identity()
        self.add1 = Add()
        self.norm2 = _norm(backbone, dim)
        self.mlp = _Mlp(backbone, dim, stage.mlp_ratio * dim)
        self.residual_scale2 = LearnedScale(dim) if scaled else nn.Identity()
        self.add2 = Add()

    def forward(self, x: Tensor) -> Tensor:
        x = self.add1(self.residual_scale1(x), self.mixer(self.norm1(x)))
        return self.add2(self.residual_scale2(x), self.mlp(self.norm2(x)))


def _norm(backbone: Backbone, dim: int) -> nn.Module:
    if backbone.norm == "group_norm":
        return ImageNorm(dim, eps=_EPS, bias=backbone.bias)
    return nn.LayerNorm(dim, eps=_EPS, bias=backbone.bias)


class _Mlp(nn.Module):
    def __init__(self, backbone: Backbone, dim: int, hidden: int) -> None:
        super().__init__()
        self.expand = nn.Linear(dim, hidden, bias=backbone.bias)
        self.activation = nn.GELU() if backbone.activation == "gelu" else StarReLU()
        self.project = nn.Linear(hidden, dim, bias=backbone.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.activation(self.expand(x)))


class _Head(nn.Module):
    """The class token or the mean of all tokens, a norm, and the classifier: (B, ..., C) -> (B, classes)."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        backbone, dim = network.backbone, network.stages[-1].stage.dim
        self.class_tokens = network.class_tokens
        self.mean = TokenMean()
        self.norm = nn.LayerNorm(dim, eps=_EPS)
        hidden = HEAD_RATIO * dim
        self.has_hidden = backbone.head == "mlp"
        if self.has_hidden:
            self.expand = nn.Linear(dim, hidden)
            self.activation = SquaredReLU()
            self.hidden_norm = nn.LayerNorm(hidden)
        self.classifier = nn.Linear(hidden if self.has_hidden else dim, backbone.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x[:, 0] if self.class_tokens else self.mean(x))
        if self.has_hidden:
            x = self.hidden_norm(self.activation(self.expand(x)))
        return self.classifier(x)
