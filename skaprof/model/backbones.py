"""Backbones as facts: how deep, how wide, which mixer in which stage, which stem and head.

Sources: "MetaFormer Baselines for Vision" (arXiv 2210.13452) for caformer, convformer, poolformerv2, identityformer;
"Training data-efficient image transformers" (arXiv 2012.12877) for vit_tiny, vit_small, vit_base; the network that the
authors of "Static Key Attention in Vision" (arXiv 2412.07049) trained on CIFAR for vit_cifar.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from skaprof.errors import SkaprofError, bad_value, shown
from skaprof.model.spec import MixerSpec, parse_mixer

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
    None: 32 where that divides dim, else the largest divisor up to 32.
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
    )
}
"""Every built-in backbone by name."""


class Choice(NamedTuple):
    """A backbone with a mixer for each stage."""

    backbone: Backbone
    specs: tuple[MixerSpec, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The mixer of each stage, as the user wrote it."""
        return tuple(spec.text for spec in self.specs)

    @property
    def is_modified(self) -> bool:
        """Whether any mixer is not the backbone's own."""
        return self.texts != self.backbone.mixers

    @property
    def unmodified(self) -> "Choice":
        """The backbone with its own mixers."""
        return Choice(self.backbone, tuple(map(parse_mixer, self.backbone.mixers)))


def find_backbone(name: str, option: str = "model") -> Backbone:
    """The built-in backbone of that name.

    Raises:
        SkaprofError: there is none, with the nearest name.
    """
    if name not in BACKBONES:
        raise bad_value(option, name, f"one of {', '.join(BACKBONES)}, or a file ending in .toml", BACKBONES)
    return BACKBONES[name]


def parse_backbone(text: str, option: str = "model") -> Choice:
    """The backbone and mixers that a text names: `caformer_s18`, `caformer_s18[stage3=ska,stage4=cska:head_dim=16]`.

    Raises:
        SkaprofError: an unknown backbone, stage or mixer, with the nearest name.
    """
    name, inside = _split(text)
    return _in_brackets(find_backbone(name, option), text, inside, option)


def open_backbone(
    name: str,
    mixers: str | None = None,
    overrides: Sequence[str] = (),
    option: str = "NAME",
    mixers_option: str = "--mixers",
) -> Choice:
    """The backbone of a name or a TOML file, either with `[stage3=SPEC]` behind it, with the mixers of `choose`.

    `option` and `mixers_option` are what the user knows `name` and `mixers` by.

    Raises:
        SkaprofError: as `parse_backbone`, `choose` and `skaprof.model.custom.load_backbone`; mixers named twice over.
    """
    base, inside = _split(name)
    if base.lower().endswith(".toml"):
        from skaprof.model.custom import load_backbone

        backbone = load_backbone(base)
    else:
        backbone = find_backbone(base, option)
    if mixers is None and not overrides:
        return _in_brackets(backbone, name, inside, option)
    if inside is not None:
        given = mixers_option if mixers is not None else "--stage"
        raise SkaprofError(f"{option}: {shown(name)} names mixers already: expected no {given}")
    return choose(backbone, mixers, overrides, mixers_option=mixers_option)


_NAME = re.compile(r"(.+\.toml|[^\[]*)(?:\[(.*))?", re.IGNORECASE | re.DOTALL)


def _split(text: str) -> tuple[str, str | None]:
    """The name or path, and what the bracket behind it opens, its closing included; a path may hold brackets itself."""
    found = _NAME.fullmatch(text)
    assert found is not None  # the last alternatives match any text
    return found[1], found[2]


def _in_brackets(backbone: Backbone, text: str, inside: str | None, option: str) -> Choice:
    """The backbone with the mixers of `stage3=SPEC,...]`, what a bracket of `text` opens, if there is one."""
    own = Choice(backbone, tuple(map(parse_mixer, backbone.mixers)))
    if inside is None:
        return own
    if not inside.endswith("]"):
        raise bad_value(option, text, "NAME or NAME[stage3=SPEC,...], with the bracket closed")
    return _overridden(own, inside.removesuffix("]").split(","), option, "stage")


def choose(backbone: Backbone, mixers: str | None, overrides: Iterable[str], mixers_option: str = "--mixers") -> Choice:
    """The backbone with `mixers`, one a stage, separated by commas, or one for all; then with each override `3=ska`.

    Raises:
        SkaprofError: another number of mixers, an unknown one, or an override of no such stage or of one stage twice.
    """
    texts = list(backbone.mixers) if mixers is None else _one_a_stage(backbone, mixers, mixers_option)
    specs = (parse_mixer(text, "mixer" if mixers is None else mixers_option) for text in texts)
    return _overridden(Choice(backbone, tuple(specs)), overrides, "--stage")


def _overridden(choice: Choice, overrides: Iterable[str], option: str, prefix: str = "") -> Choice:
    changed: dict[int, MixerSpec] = {}
    for override in overrides:
        number, spec = parse_override(choice.backbone, override, option, prefix)
        if number in changed:
            raise bad_value(option, override, f"stage {number} only once")
        changed[number] = spec
    return choice._replace(specs=tuple(changed.get(number, spec) for number, spec in enumerate(choice.specs, 1)))


def parse_override(
    backbone: Backbone, override: str, option: str = "--stage", prefix: str = ""
) -> tuple[int, MixerSpec]:
    """The stage, counted from 1, and the mixer that `3=ska` names, or `stage3=ska` with the prefix "stage".

    Raises:
        SkaprofError: no such stage, or an unknown mixer.
    """
    place, equals, spec = override.partition("=")
    last = len(backbone.stages)
    if not equals or not spec or place not in (f"{prefix}{number}" for number in range(1, last + 1)):
        first = f"{prefix}1=SPEC"
        stages = first if last == 1 else f"{first} to {prefix}{last}=SPEC"
        raise bad_value(option, override, f"{stages}, as {backbone.name} has {last} {_plural('stage', last)}")
    return int(place.removeprefix(prefix)), parse_mixer(spec, option)


def _one_a_stage(backbone: Backbone, mixers: str, option: str) -> list[str]:
    texts = mixers.split(",")
    count = len(backbone.stages)
    if len(texts) == 1:
        return texts * count
    if len(texts) != count:
        raise SkaprofError(
            f"{option}: {shown(mixers)} names {len(texts)} mixers: expected {count}, one for each stage of "
            f"{backbone.name}, or one for all"
        )
    return texts


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
