"""What a report is about, and the rows of its sections that closed forms make; the others are timed or counted."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

from skaprof.analysis.breakeven import token_breakevens
from skaprof.analysis.costs import cost_row
from skaprof.analysis.paper_figures import figure_4_panels
from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.analysis.planned_rows import planned_rows
from skaprof.analysis.scopes import TOTAL, costed
from skaprof.answers import CrossoverRow
from skaprof.model.backbones import BACKBONES
from skaprof.model.choice import parse_backbone
from skaprof.model.hardware import Hardware, find_hardware
from skaprof.model.network import make_network
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.workload import USUAL_FORMS

if TYPE_CHECKING:
    from skaprof.foreign_model import UserModel

Row = dict[str, Any]

PAPER_SIZES = ((56, 56, 64), (28, 28, 128), (14, 14, 320), (7, 7, 512), (14, 14, 384), (14, 14, 768))
"""Height, width and dim of the four stages of CAFormer-S18 at 224 x 224, and of ViT-S and ViT-B with patches of 16."""
SCALING_SIDES = (128, 160, 224, 320, 384, 512, 768, 1024)
BREAK_EVEN_DIMS = (64, 128, 256, 320, 384, 512, 768, 1024)


class Contents(NamedTuple):
    """What a report is about: mixers, the first the baseline; sizes as (height, width, dim); and how to time.

    `hardware` is a machine's name or file; `machine` what is known of the one that the report is made on, if anything.
    `max_seconds` is the limit of all timing, None for none but `section_seconds`, that of each section.
    `models` are models of the user's own, each with a mode, and `swaps` such models with (pattern, mixer) to put in.
    `accuracies` are files with what networks are worth, `timings` files with times.
    `audits` are files of what counters said in other environments. `machines` are names or files of those that devices
    side by side may be of.
    """

    title: str = "What token mixers cost"
    sections: tuple[str, ...] = ()
    mixers: tuple[str, ...] = ("mhsa", "ska", "cska")
    sizes: tuple[tuple[int, int, int], ...] = PAPER_SIZES
    batch: int = 1
    dtype: str = "float32"
    device: str = "auto"
    implementations: tuple[str, ...] = USUAL_FORMS
    runtimes: tuple[str, ...] = ()
    modes: tuple[str, ...] = ("forward",)
    max_seconds: float | None = None
    section_seconds: float = 120.0
    backbone: str = "caformer_s18"
    swapped_stage: int = 3
    hardware: str | None = None
    machine: Hardware | None = None
    models: tuple[tuple[UserModel, str], ...] = ()
    swaps: tuple[tuple[UserModel, tuple[tuple[str, MixerSpec], ...]], ...] = ()
    accuracies: tuple[str, ...] = ()
    timings: tuple[str, ...] = ()
    audits: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()

    @property
    def ceilings(self) -> Hardware | None:
        """The machine of the roofline and of predicted times: as named, else the one that the report is made on."""
        return find_hardware(self.hardware) if self.hardware is not None else self.machine

    @property
    def specs(self) -> list[MixerSpec]:
        """The mixers, parsed."""
        return [parse_mixer(text) for text in self.mixers]

    def plans(self, implementations: tuple[str, ...], modes: tuple[str, ...] = ("forward",)) -> Iterator[Plan]:
        """One plan a size, of the mixers that have the implementation."""
        for height, width, dim in self.sizes:
            grid = SizeGrid((self.batch,), ((height, width),), (dim,))
            for implementation in implementations:
                specs = [spec for spec in self.specs if implementation in spec.forms()]
                if specs:
                    yield make_plan(specs, grid, (implementation,), modes, (self.dtype,))


def formulas(contents: Contents) -> list[Row]:
    """The closed forms of every mixer."""
    from skaprof.analysis.symbolic import formula_rows

    return [row.as_dict() for spec in contents.specs for row in formula_rows(spec)]


def sizes(contents: Contents) -> list[Row]:
    """The costs at every size, eager and fused, with ratios to the first mixer that has the form."""
    return [row for plan in contents.plans(USUAL_FORMS) for row in planned_rows(plan, plan.blocks[0].variant.spec)]


def break_evens(contents: Contents) -> list[Row]:
    """For each mixer but the first and each dim, where it needs less than the first over the tokens."""
    reference, *others = contents.specs
    rows = []
    for spec in others:
        for dim in BREAK_EVEN_DIMS:
            plan = make_plan([spec, reference], SizeGrid(dims=(dim,)))
            planned = next(plan.rows())
            found = token_breakevens(
                (planned.variant, planned.workload), plan.counterpart(planned, reference), ("params", "macs")
            )
            row: Row = {"mixer": spec.text, "baseline": reference.text, "dim": dim}
            for metric, breakeven in found.items():
                row[f"{metric}_wins"] = breakeven.wins if breakeven else None
                row[f"{metric}_tokens"] = breakeven.tokens if breakeven else None
            rows.append(row)
    return rows


def figure_4(contents: Contents) -> list[Row]:
    """The rows of figure 4's panels, each with its panel's heading and axis."""
    return [
        {"panel": heading, "axis": axis, **row.as_dict()}
        for heading, axis, rows in figure_4_panels(contents.mixers)
        for row in rows
    ]


def backbones(contents: Contents) -> list[Row]:
    """The backbone with each mixer in each stage in turn: totals, and for the swapped stage alone its stages too."""
    rows = _scope_rows(contents.backbone, "", "stage") + _scope_rows(contents.backbone, "", TOTAL)
    for number in range(1, len(BACKBONES[contents.backbone].stages) + 1):
        own = BACKBONES[contents.backbone].stages[number - 1].mixer
        for text in contents.mixers:
            if text == own:
                continue
            swap = f"stage{number}={text}"
            depths = ("stage", TOTAL) if number == contents.swapped_stage else (TOTAL,)
            rows += [row for depth in depths for row in _scope_rows(contents.backbone, swap, depth)]
    return rows


def crossovers(contents: Contents) -> list[Row]:
    """Where each mixer but the first overtakes the first over the tokens, at the dim of the swapped stage, in costs and
    in time on the report's machine, where one is known."""
    from skaprof.analysis.crossover import crossover_rows
    from skaprof.analysis.crossover_times import predicted_times, sampled_rows
    from skaprof.analysis.mixer_pair import Sizes, make_pair

    reference, *others = contents.specs
    dim = BACKBONES[contents.backbone].stages[contents.swapped_stage - 1].dim
    sizes = Sizes(batch=contents.batch, dim=dim, dtype=contents.dtype)
    machine = contents.ceilings
    rows: list[CrossoverRow] = []
    for spec in others:
        pair = make_pair(spec, reference, "tokens", sizes)
        rows += crossover_rows(pair)
        rows += sampled_rows(pair, predicted_times(pair, machine)) if machine is not None else []
    return [row.as_dict() for row in rows]


def memory(contents: Contents) -> list[Row]:
    """Every size, eager and fused: the forward row has the peak, the train row what is kept for the backward pass."""
    return [
        cost_row(row.variant._replace(mode=mode), row.workload).as_dict()
        for plan in contents.plans(USUAL_FORMS)
        for row in plan.rows()
        for mode in ("forward", "train")
    ]


def roofline(contents: Contents) -> list[Row]:
    """Every size against the ceilings of the report's machine; none where no machine is known."""
    from skaprof.analysis.roofline_rows import RooflinePoint, mixer_row

    machine = contents.ceilings
    if machine is None:
        return []
    points = [RooflinePoint(row.variant, row.workload) for plan in contents.plans(USUAL_FORMS) for row in plan.rows()]
    return [mixer_row(point, machine, point.variant.dtype).as_dict() for point in points]


def pareto(contents: Contents) -> list[Row]:
    """Every network that the backbone's own mixers and the report's make, in all stages, and whether it is beaten."""
    from skaprof.analysis.fronts import undominated_rows
    from skaprof.analysis.search import make_search

    choice = parse_backbone(contents.backbone)
    side = choice.backbone.resolution
    specs = {spec.text: spec for spec in (*choice.kinds, *contents.specs)}
    search = make_search(make_network(choice, side, side), [list(specs.values())] * len(choice.stages))
    points, own = search.points(_PARETO_METRICS), search.own
    rows = []
    for parts, point, is_on_front in zip(product(*search.stages), points, undominated_rows(points), strict=True):
        figures = dict(zip(_PARETO_METRICS, point, strict=True))
        deltas = {f"{metric}_delta": value - getattr(own, metric) for metric, value in figures.items()}
        names = {"model": own.model, "mixer": ",".join(part.spec.text for part in parts), "resolution": side}
        rows.append({**names, **figures, **deltas, "on_front": is_on_front})
    return rows


_PARETO_METRICS = ("params", "macs", "traffic_bytes")


def scaling(contents: Contents) -> list[Row]:
    """The totals over image sizes, with each mixer in the swapped stage."""
    swaps = [f"stage{contents.swapped_stage}={text}" for text in contents.mixers]
    return [
        {"resolution": side, **row}
        for side in SCALING_SIDES
        for swap in swaps
        for row in _scope_rows(contents.backbone, swap, TOTAL, side)
    ]


def _scope_rows(backbone: str, swap: str, depth: str, side: int | None = None) -> list[Row]:
    """Rows of `caformer_s18[stage3=ska]`, say, each with the swap it is of."""
    choice = parse_backbone(f"{backbone}[{swap}]" if swap else backbone)
    pixels = side or choice.backbone.resolution
    return [{"swap": swap, **row.as_dict()} for row in costed(make_network(choice, pixels, pixels)).rows(depth)]
