"""The closed forms of backbones as data that a page evaluates: a stem, a block without its mixer, a head, and the rest.

A network is a sum of such parts, each with formulas over its own sizes: I pixels of the image, c classes, r the MLP's
ratio; K kernel, S stride and P padding of a convolution; q tokens and D channels before a downsampling. Only the peak
of memory is no sum: inside a block a mixer holds what the block does, so there it has a formula of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

from skaprof.analysis.closed_forms import (
    BATCH,
    BYTES,
    FORM_METRICS,
    FormTable,
    by_form,
    workload_of,
)
from skaprof.analysis.traced import Traced, as_traced
from skaprof.model.backbones import Backbone, Stage, Window
from skaprof.model.choice import Choice
from skaprof.model.cost import OpCost, op_costs, total
from skaprof.model.mixers import MIXERS, Mixer
from skaprof.model.network import Network, Placed, PlacedMixer, network_ops
from skaprof.model.spec import MixerSpec
from skaprof.workload import MODES, Workload, larger

Json = Any

_IMAGE, _CLASSES, _RATIO, _BEFORE, _DIM_BEFORE, _SIDE = map(Traced.size, ("I", "c", "r", "q", "D", "x"))
_WINDOW = Window(*map(Traced.size, ("K", "S", "P")))  # type: ignore[arg-type]  # sizes that are traced
_IDENTITY = MixerSpec("identity", MIXERS["identity"], {})


class Style(NamedTuple):
    """What a backbone's formulas hang on beside its sizes."""

    stem: str
    head: str
    norm: str
    bias: bool
    activation: str
    residual_scale: bool
    class_tokens: int

    @property
    def text(self) -> str:
        """Its name in a page."""
        return ",".join(map(str, self)).lower()


INSIDE_STYLE = Style("patches", "linear", "layer_norm", False, "gelu", False, 0)
"""Where mixers are looked at in a block: what they hold there is the same in every style."""


def styles_of(backbone: Backbone) -> list[Style]:
    """The styles of a backbone's stages, with a class token and without where it may have one."""
    common = backbone.stem, backbone.head, backbone.norm, backbone.bias, backbone.activation
    scaled = dict.fromkeys(stage.residual_scale for stage in backbone.stages)
    return [Style(*common, scale, tokens) for scale in scaled for tokens in range(int(backbone.class_token) + 1)]


def steps_place(table: FormTable) -> int:
    """Where the formula of a convolution's output side stands: of x positions along a side, by `Window.steps`."""
    return table.place(_SIDE.branched(_WINDOW.steps, _SIDE))


def style_forms(style: Style, table: FormTable) -> dict[str, Json]:
    """By mode, the figures of a stem, a downsampling, a block but for its mixer, and a head."""
    one, two = (_network(style, depth, PlacedMixer(_IDENTITY, "eager", _sizes(style))) for depth in (1, 2))
    return {
        mode: {
            "stem": _part(_costs(one, mode), "stem.", table),
            "downsampling": _part(_costs(two, mode), "stage2.downsampling.", table),
            "block": _part(_costs(one, mode), "stage1.block1.", table),
            "head": _part(_costs(one, mode), "head.", table),
        }
        for mode in MODES
    }


def inside_forms(mixer: Mixer, style: Style, table: FormTable) -> dict[str, Json]:
    """By options, form and class tokens: the most that is held in inference while the mixer of a block runs."""
    return by_form(mixer, lambda spec, form, tokens: _inside(style._replace(class_tokens=tokens), spec, form, table))


def _inside(style: Style, spec: MixerSpec, form: str, table: FormTable) -> int | None:
    placed = PlacedMixer(spec, form, workload_of(spec.mixer, style.class_tokens))
    costs = [cost for cost in _costs(_network(style, 1, placed), "forward") if ".mixer." in cost.name]
    return _peak(costs, table)


def _sizes(style: Style) -> Workload:
    return workload_of(_IDENTITY.mixer, style.class_tokens)


def _network(style: Style, depth: int, last: PlacedMixer) -> Network:
    """A network of `depth` stages of one block, whose sizes are traced; in the last runs the mixer."""
    before = Workload(BATCH, _BEFORE, 1, _DIM_BEFORE, class_tokens=style.class_tokens)
    blocks = [PlacedMixer(_IDENTITY, "eager", before)] * (depth - 1) + [last]
    stages = [_stage(block.workload, style) for block in blocks]
    backbone = Backbone(
        "traced",
        tuple(stages),
        stem=style.stem,
        stem_window=_WINDOW,
        downsampling_window=_WINDOW,
        head=style.head,
        classes=_CLASSES,  # type: ignore[arg-type]  # a traced size
        norm=style.norm,
        bias=style.bias,
        activation=style.activation,
        class_token=bool(style.class_tokens),
    )
    placed = tuple(Placed(stage, block.spec.text, (block,)) for stage, block in zip(stages, blocks, strict=True))
    image: Any = _IMAGE
    batch: Any = BATCH  # traced, as the image is
    return Network(Choice(backbone, ()), batch, image, 1, "sdpa", has_head=True, stages=placed)


def _stage(workload: Workload, style: Style) -> Stage:
    return Stage(1, workload.dim, "identity", _RATIO, style.residual_scale)  # type: ignore[arg-type]  # traced


def _costs(network: Network, mode: str) -> list[OpCost]:
    return op_costs(network_ops(network), BYTES, mode, fused=True)


def _part(costs: Sequence[OpCost], scope: str, table: FormTable) -> list[int | None]:
    """Where the formulas of a part's figures stand: sums over its ops, and the most that it holds."""
    own = [cost for cost in costs if cost.name.startswith(scope)]
    summed = total(own)
    return [_peak(own, table) if key == "peak_bytes" else table.place(getattr(summed, key)) for key in FORM_METRICS]


def _peak(costs: Sequence[OpCost], table: FormTable) -> int | None:
    held = [as_traced(cost.peak_bytes) for cost in costs if cost.peak_bytes is not None]
    return table.place(reduce(larger, held)) if held else None
