"""A backbone at one size: its ops in the order they run, each named by the scope it stands in.

A scope is a path of names: `stem`, `stage2.downsampling`, `stage3.block1.mixer.query`, `head.classifier`. They are the
names of the submodules in `skaprof.nn`. Totals, stages, blocks and the proof all derive from this one list.
"""

from collections.abc import Callable
from typing import NamedTuple

from skaprof.errors import SkaprofError, bad_value
from skaprof.grids import size_text
from skaprof.model.backbones import IMAGE_CHANNELS, Backbone, Stage
from skaprof.model.choice import Choice, parse_backbone
from skaprof.model.cost import Cost, OpCost, op_costs, total
from skaprof.model.layers import (
    add,
    class_token,
    gelu,
    group_norm,
    layer_norm,
    learned_scale,
    position,
    shift,
    squared_relu,
    token_mean,
)
from skaprof.model.mixers import tokens_in
from skaprof.model.ops import Op, Tensor, conv2d, linear, scoped, star_relu
from skaprof.model.spec import MixerSpec
from skaprof.workload import DTYPE_BYTES, Size, Workload, is_fused

HEAD_RATIO = 4
HEADED_TASK = "classification"
TASKS: dict[str, tuple[int, int] | None] = {HEADED_TASK: None, "detection": (800, 1280), "segmentation": (512, 2048)}
"""Each task's usual image height and width; None: the backbone's own. Only classification has the head."""
_NORMS: dict[str, Callable[..., Op]] = {"layer_norm": layer_norm, "group_norm": group_norm}
_ACTIVATIONS: dict[str, Callable[..., Op]] = {"star_relu": star_relu, "gelu": gelu}


class PlacedMixer(NamedTuple):
    """The mixer of a block at its size, and the form it runs in there."""

    spec: MixerSpec
    implementation: str
    workload: Workload


class Placed(NamedTuple):
    """One stage at its size, `text` its mixers as the user wrote them, and the mixer of each block."""

    stage: Stage
    text: str
    blocks: tuple[PlacedMixer, ...]

    @property
    def workload(self) -> Workload:
        """The first block's, whose grid, dim and class tokens are those of all."""
        return self.blocks[0].workload


class Network(NamedTuple):
    """A backbone with chosen mixers at one image size, with its head or as an extractor of features."""

    choice: Choice
    batch: int
    height: int
    width: int
    implementation: str
    has_head: bool
    stages: tuple[Placed, ...]

    @property
    def backbone(self) -> Backbone:
        """What it is made of."""
        return self.choice.backbone

    @property
    def class_tokens(self) -> Size:
        """1 where a class token runs beside the grid, else 0."""
        return self.stages[0].workload.class_tokens


def make_network(
    choice: Choice,
    height: int,
    width: int,
    batch: int = 1,
    implementation: str = "eager",
    *,
    has_head: bool = True,
    option: str = "resolution",
) -> Network:
    """The backbone at images of height x width pixels.

    A mixer runs in the form asked for where it has it, else in eager form. A class token goes where every mixer has a
    place for it; otherwise the head takes the mean of the tokens, as ViTs without a class token do.

    Raises:
        SkaprofError: sides too small, or not a multiple of the patch; heads that do not fit a stage's dim.
    """
    backbone = choice.backbone
    sides = _sides_of_stages(backbone, height, width, option)
    class_tokens = int(backbone.class_token and all(spec.mixer.class_token_forms for spec in choice.kinds))
    stages = []
    for number, (stage, mixers, grid) in enumerate(zip(backbone.stages, choice.stages, sides, strict=True), 1):
        placed = {}
        for spec in mixers.kinds:
            channels = _channels(backbone, number, stage, spec)
            workload = Workload(batch, *grid, *channels, spec.resolve_kernel_size(), class_tokens)
            takes = implementation in spec.forms() and spec.why_not(workload, implementation) is None
            placed[spec.text] = PlacedMixer(spec, implementation if takes else "eager", workload)
        stages.append(Placed(stage, mixers.text, tuple(placed[spec.text] for spec in mixers.blocks)))
    return Network(choice, batch, height, width, implementation, has_head, tuple(stages))


def _channels(backbone: Backbone, number: int, stage: Stage, spec: MixerSpec) -> tuple[int, int | None, int | None]:
    """(dim, heads, head_dim) of a stage's mixer: its spec's, else the backbone's."""
    try:
        return spec.resolve_channels(stage.dim, None, None if spec.heads is not None else backbone.head_dim)
    except SkaprofError as error:
        raise SkaprofError(f"stage {number} of {backbone.name}: {error.marked}") from None


def image_size(choice: Choice, task: str) -> tuple[int, int]:
    """The image height and width that a task of `TASKS` has where none is named."""
    return TASKS[task] or (choice.backbone.resolution, choice.backbone.resolution)


def network_ops(network: Network) -> list[Op]:
    """Every op of the network, stem to head. Only ops that one fused kernel runs have a group."""
    x = Tensor("image", (network.batch, IMAGE_CHANNELS, network.height * network.width))
    ops = scoped("stem", _STEMS[network.backbone.stem](network), x)
    for number, placed in enumerate(network.stages, start=1):
        if number > 1:
            ops += scoped(f"stage{number}.downsampling", _downsampling(network, placed, ops[-1].output), ops[-1].output)
        blocks = {mixer.spec.text: _block(network.backbone, placed.stage, mixer) for mixer in placed.blocks}
        for place, mixer in enumerate(placed.blocks, start=1):
            ops += scoped(f"stage{number}.block{place}", blocks[mixer.spec.text], ops[-1].output)
    if network.has_head:
        ops += scoped("head", _head(network, ops[-1].output), ops[-1].output)
    return ops


def network_costs(network: Network, dtype: str = "float32", mode: str = "forward") -> list[OpCost]:
    """The cost of each op of the network."""
    return op_costs(network_ops(network), DTYPE_BYTES[dtype], mode, fused=True)


def backbone_totals(
    text: str,
    height: int | None = None,
    width: int | None = None,
    *,
    batch: int = 1,
    dtype: str = "float32",
    mode: str = "forward",
    implementation: str = "eager",
    has_head: bool = True,
) -> Cost:
    """The totals of a backbone such as `caformer_s18[stage3=ska]`, at its own size, a square, or height x width pixels.

    Raises:
        SkaprofError: an unknown backbone or mixer, with the nearest name; or a size that does not fit.
    """
    choice = parse_backbone(text)
    height = choice.backbone.resolution if height is None else height
    width = height if width is None else width
    network = make_network(choice, height, width, batch, implementation, has_head=has_head)
    return total(network_costs(network, dtype, mode))


def _sides_of_stages(backbone: Backbone, height: int, width: int, option: str) -> list[tuple[int, int]]:
    window, size = backbone.stem_window, size_text(height, width)
    if backbone.stem != "convolution" and (height % window.stride or width % window.stride):
        raise bad_value(option, size, f"sides that the patch size {window.stride} of {backbone.name} divides")
    rows, columns = window.steps(height), window.steps(width)
    sides = []
    for number in range(1, len(backbone.stages) + 1):
        if number > 1:
            rows, columns = backbone.downsampling_window.steps(rows), backbone.downsampling_window.steps(columns)
        if not rows or not columns:
            raise bad_value(option, size, f"larger sides: nothing is left of them in stage {number} of {backbone.name}")
        sides.append((rows, columns))
    return sides


def _convolution_stem(network: Network) -> list[Op]:
    """A convolution with bias, then a norm without."""
    conv = conv2d("conv", *_stem_convolution(network), bias=True, positions=network.stages[0].workload.positions)
    return [conv, layer_norm("norm", _as_tokens(conv.output), bias=False)]


def _patch_stem(network: Network) -> list[Op]:
    """A convolution of patches, then the class token and positions."""
    conv = conv2d("projection", *_stem_convolution(network), bias=True, positions=network.stages[0].workload.positions)
    return [conv, *_placing(network, _as_tokens(conv.output))]


def _shifted_patch_stem(network: Network) -> list[Op]:
    """The image and its shifts cut into patches, each normed and projected; then the class token and positions."""
    shifted = shift("shift", _image(network))
    patch = network.backbone.stem_window.stride
    w = network.stages[0].workload
    patches = shifted.output.view(w.batch, w.positions, 5 * IMAGE_CHANNELS * patch * patch)
    norm = layer_norm("norm", patches)
    projection = linear("projection", norm.output, w.dim, bias=True)
    return [shifted, norm, projection, *_placing(network, projection.output)]


_STEMS: dict[str, Callable[[Network], list[Op]]] = {
    "convolution": _convolution_stem,
    "patches": _patch_stem,
    "shifted_patches": _shifted_patch_stem,
}


def _image(network: Network) -> Tensor:
    return Tensor("x", (network.batch, IMAGE_CHANNELS, network.height * network.width))


def _stem_convolution(network: Network) -> tuple[Tensor, int, int, int]:
    """Its input, output channels, channels a group and kernel size."""
    backbone = network.backbone
    return _image(network), backbone.stages[0].dim, IMAGE_CHANNELS, backbone.stem_window.kernel_size


def _placing(network: Network, tokens: Tensor) -> list[Op]:
    ops = [class_token("class_token", tokens)] if network.class_tokens else []
    return [*ops, position("position", ops[-1].output if ops else tokens)]


def _as_tokens(feature_map: Tensor) -> Tensor:
    """(batch, channels, positions) seen as (batch, positions, channels)."""
    batch, channels, positions = feature_map.shape
    return feature_map.view(batch, positions, channels)


def _downsampling(network: Network, placed: Placed, before: Tensor) -> list[Op]:
    """A norm without bias, then a convolution with bias to the next stage's dim."""
    batch, positions, dim = before.shape
    norm = layer_norm("norm", Tensor("x", before.shape), bias=False)
    feature_map = norm.output.view(batch, dim, positions)
    kernel_size = network.backbone.downsampling_window.kernel_size
    w = placed.workload
    conv = conv2d("conv", feature_map, w.dim, dim, kernel_size, bias=True, positions=w.positions)
    return [norm, conv._replace(output=_as_tokens(conv.output))]


def _block(backbone: Backbone, stage: Stage, placed: PlacedMixer) -> list[Op]:
    """Norm, mixer, shortcut; norm, MLP, shortcut."""
    w = placed.workload
    norm = _NORMS[backbone.norm]
    x = tokens_in(w)
    norm1 = norm("norm1", x, bias=backbone.bias)
    mixer = scoped("mixer", _mixer_ops(placed), norm1.output)
    mixed = (mixer or [norm1])[-1].output
    middle = _shortcut(stage, "1", x, mixed)
    norm2 = norm("norm2", middle[-1].output, bias=backbone.bias)
    expand = linear("mlp.expand", norm2.output, stage.mlp_ratio * stage.dim, bias=backbone.bias)
    activation = _ACTIVATIONS[backbone.activation]("mlp.activation", expand.output)
    project = linear("mlp.project", activation.output, stage.dim, bias=backbone.bias)
    end = _shortcut(stage, "2", middle[-1].output, project.output)
    return [norm1, *mixer, *middle, norm2, expand, activation, project, *end]


def _mixer_ops(placed: PlacedMixer) -> list[Op]:
    ops = placed.spec.ops(placed.workload, placed.implementation)
    return ops if is_fused(placed.implementation) else [op._replace(group=None) for op in ops]


def _shortcut(stage: Stage, number: str, x: Tensor, branch: Tensor) -> list[Op]:
    scaled = [learned_scale(f"residual_scale{number}", x)] if stage.residual_scale else []
    return [*scaled, add(f"add{number}", scaled[0].output if scaled else x, branch)]


def _head(network: Network, before: Tensor) -> list[Op]:
    """The mean of the tokens, or the class token; a norm with bias; the classifier."""
    batch, _, dim = before.shape
    x = Tensor("x", before.shape)
    mean = [] if network.class_tokens else [token_mean("mean", x)]
    norm = layer_norm("norm", mean[0].output if mean else x.view(batch, dim))
    if network.backbone.head == "linear":
        return [*mean, norm, linear("classifier", norm.output, network.backbone.classes, bias=True)]
    expand = linear("expand", norm.output, HEAD_RATIO * dim, bias=True)
    activation = squared_relu("activation", expand.output)
    hidden_norm = layer_norm("hidden_norm", activation.output)
    classifier = linear("classifier", hidden_norm.output, network.backbone.classes, bias=True)
    return [*mean, norm, expand, activation, hidden_norm, classifier]
