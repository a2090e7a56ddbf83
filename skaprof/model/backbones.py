"""Backbones as facts: how deep, how wide, which mixer in which stage, which stem and head.

Sources: "MetaFormer Baselines for Vision" (arXiv 2210.13452) for caformer, convformer, poolformerv2, identityformer;
"Training data-efficient image transformers" (arXiv 2012.12877) for vit_tiny, vit_small, vit_base; the network that the
authors of "Static Key Attention in Vision" (arXiv 2412.07049) trained on CIFAR for vit_cifar. vit_micro is this
project's own: a ViT that a laptop trains in seconds, for `skaprof accuracy`.
"""

from typing import NamedTuple

IMAGE_CHANNELS = 3


class Window(NamedTuple):
    """How a convolution steps over an image: its sizes in pixels, the same in both directions."""

    kernel_size: int
    stride: int
    padding: int

    def steps(self, side: int) -> int:
        """Output positions along a side: floor((side + 2 padding - kernel) / stride) + 1, or 0 where none fits."""
        return max(0, (side + 2 * self.padding - self.kernel_size) // self.stride + 1)


class Stage(NamedTuple):
    """`depth` blocks of `dim` channels. `mixer` is the spec that the unmodified backbone has in them."""

    depth: int
    dim: int
    mixer: str
    mlp_ratio: int = 4
    residual_scale: bool = False


class Backbone(NamedTuple):
    """What a backbone is made of.

    `stem`: "convolution" (then a norm), "patches" (a convolution without overlap, then learned positions) or
    "shifted_patches" (the image and its four shifts by a pixel, norm and linear a patch, then learned positions).
    `head`: "linear", or "mlp" (hidden 4 x, squared ReLU, norm), behind the mean of the tokens or the class token, and
    a norm. `norm`, `bias` and `activation` are the blocks': "layer_norm" or "group_norm" (one mean and variance an
    image), whether norm and MLP have a bias, "star_relu" or "gelu". `head_dim` is what mixers get that name none;
    None: 32 where that divides dim, else the largest divisor up to 32. `position_std` is the standard deviation that
    learned positions start with.
    """

    name: str
    stages: tuple[Stage, ...]
    stem: str = "convolution"
    stem_window: Window = Window(7, 4, 2)
    downsampling_window: Window = Window(3, 2, 1)
    head: str = "mlp"
    classes: int = 1000
    norm: str = "layer_norm"
    bias: bool = False
    activation: str = "star_relu"
    head_dim: int | None = None
    class_token: bool = False
    resolution: int = 224
    position_std: float = 0.02

    @property
    def mixers(self) -> tuple[str, ...]:
        """The mixer of each stage, unmodified."""
        return tuple(stage.mixer for stage in self.stages)


def _metaformer(
    name: str, depths: tuple[int, ...], dims: tuple[int, ...], mixers: tuple[str, ...], *, baseline: bool = False
) -> Backbone:
    """A MetaFormer: the scale of residuals is learned in the last two stages. `baseline`: plain head, group norm."""
    stages = tuple(
        Stage(depth, dim, mixer, residual_scale=number >= 2)
        for number, (depth, dim, mixer) in enumerate(zip(depths, dims, mixers, strict=True))
    )
    plain = Backbone(name, stages)
    return plain._replace(head="linear", norm="group_norm") if baseline else plain


_S12, _S18, _S36 = (2, 2, 6, 2), (3, 3, 9, 3), (3, 12, 18, 3)
_SMALL, _MEDIUM, _BIG = (64, 128, 320, 512), (96, 192, 384, 576), (128, 256, 512, 768)
_CAFORMER = ("sepconv", "sepconv", "mhsa", "mhsa")


def _vit(name: str, dim: int) -> Backbone:
    """A ViT with patches of 16 pixels, heads of 64, a class token, and biases throughout."""
    return Backbone(
        name,
        (Stage(12, dim, "mhsa:bias=true"),),
        stem="patches",
        stem_window=Window(16, 16, 0),
        head="linear",
        bias=True,
        activation="gelu",
        head_dim=64,
        class_token=True,
    )


_VIT_CIFAR = Backbone(
    "vit_cifar",
    (Stage(6, 512, "mhsa", mlp_ratio=1),),
    stem="shifted_patches",
    stem_window=Window(4, 4, 0),
    head="linear",
    classes=10,
    bias=True,
    activation="gelu",
    head_dim=64,
    class_token=True,
    resolution=32,
    position_std=1.0,
)
_VIT_MICRO = Backbone(
    "vit_micro",
    (Stage(3, 32, "mhsa", mlp_ratio=2),),
    stem="patches",
    stem_window=Window(4, 4, 0),
    head="linear",
    classes=10,
    bias=True,
    activation="gelu",
    head_dim=8,
    resolution=28,
    position_std=1.0,
)

BACKBONES: dict[str, Backbone] = {
    backbone.name: backbone
    for backbone in (
        _metaformer("caformer_s18", _S18, _SMALL, _CAFORMER),
        _metaformer("caformer_s36", _S36, _SMALL, _CAFORMER),
        _metaformer("caformer_m36", _S36, _MEDIUM, _CAFORMER),
        _metaformer("caformer_b36", _S36, _BIG, _CAFORMER),
        _metaformer("convformer_s18", _S18, _SMALL, ("sepconv",) * 4),
        _metaformer("convformer_s36", _S36, _SMALL, ("sepconv",) * 4),
        _metaformer("poolformerv2_s12", _S12, _SMALL, ("pooling",) * 4, baseline=True),
        _metaformer("identityformer_s12", _S12, _SMALL, ("identity",) * 4, baseline=True),
        _vit("vit_tiny", 192),
        _vit("vit_small", 384),
        _vit("vit_base", 768),
        _VIT_CIFAR,
        _VIT_MICRO,
    )
}
"""Every built-in backbone by name."""
