"""What the explorer page is made of: closed forms of mixers and backbones, machines, and measured times, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from skaprof.analysis.backbone_forms import INSIDE_STYLE, inside_forms, steps_place, style_forms, styles_of
from skaprof.analysis.closed_forms import FORM_METRICS, FormTable, mixer_forms
from skaprof.analysis.roofline_rows import RooflinePoint, measured_points
from skaprof.errors import named
from skaprof.model.backbones import BACKBONES, Backbone
from skaprof.model.choice import Choice, open_backbone
from skaprof.model.hardware import Hardware, find_hardware, known_hardware
from skaprof.model.mixers import DEFAULT_MIXERS, MIXERS, Mixer
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.saved import SavedResults, read_results, several

Json = Any


class ExplorerRequest(NamedTuple):
    """What a page shows at first, and what it has beside all that is built in.

    `mixers` are side by side, those that skaprof compares by default where there are none, and the first is the
    baseline; `models` backbones with their mixers, by the name or path that each was opened by; `machines` and
    `results` have ceilings and times.
    """

    mixers: tuple[MixerSpec, ...] = ()
    models: tuple[tuple[str, Choice], ...] = ()
    machines: tuple[Hardware, ...] = ()
    results: tuple[SavedResults, ...] = ()


def explorer_request(
    mixers: Iterable[str] = (), models: Iterable[str] = (), hardware: Iterable[str] = (), results: Iterable[str] = ()
) -> ExplorerRequest:
    """The request that names mean: specs, backbones or TOML files, machines, and files of `skaprof latency`.

    Raises:
        SkaprofError: one is not valid, or a file cannot be read.
    """
    return ExplorerRequest(
        tuple({spec.text: spec for spec in (parse_mixer(text, named("mixer")) for text in mixers)}.values()),
        tuple((_path(text), open_backbone(text, option=named("model"))) for text in models),
        tuple(find_hardware(name) for name in hardware),
        tuple(several([read_results(path, named("results")) for path in results])),
    )


def _path(text: str) -> str:
    """The name or path that a backbone was opened by, without the mixers that are put in."""
    return text.partition("[")[0] if text.endswith("]") else text


def explorer_data(request: ExplorerRequest) -> dict[str, Json]:
    """Formulas by their place, and all that names them; see `skaprof.analysis.closed_forms`.

    Raises:
        SkaprofError: a mixer's op list has no closed form, or a file has no measured time.
    """
    table = FormTable()
    choices = [choice for _, choice in request.models]
    backbones = {choice.backbone.name: choice.backbone for choice in choices}
    backbones |= {name: backbone for name, backbone in BACKBONES.items() if name not in backbones}
    paths = {choice.backbone.name: path for path, choice in request.models}
    of_models = [spec for choice in choices for spec in choice.kinds]
    named = {spec.mixer.name: spec.mixer for spec in (*request.mixers, *of_models)}
    mixers = {**MIXERS, **named}
    styles = {style.text: style for backbone in backbones.values() for style in styles_of(backbone)}
    machines = {machine.id: machine for machine in (*request.machines, *known_hardware().values())}
    return {
        "metrics": FORM_METRICS,
        "mixers": {name: _mixer(mixer, table) for name, mixer in mixers.items()},
        "backbones": [_backbone(backbone, paths) for backbone in backbones.values()],
        "chosen": {choice.backbone.name: choice.texts for choice in choices},
        "styles": {text: style_forms(style, table) for text, style in styles.items()},
        "steps": steps_place(table),
        "forms": table.texts,
        "machines": [_machine(machine) for machine in machines.values()],
        "measured": [row for saved in request.results for row in _measured(saved)],
        "shown": [spec.text for spec in request.mixers or map(parse_mixer, DEFAULT_MIXERS)],
        "asked_for_mixers": bool(request.mixers),
    }


def _mixer(mixer: Mixer, table: FormTable) -> Json:
    return {**mixer_forms(mixer, table), "inside": inside_forms(mixer, INSIDE_STYLE, table)}


def _backbone(backbone: Backbone, paths: Mapping[str, str]) -> Json:
    stages = [stage._asdict() for stage in backbone.stages]
    return backbone._asdict() | {"stages": stages, "path": paths.get(backbone.name)}


def _machine(machine: Hardware) -> Json:
    found = machine._asdict()
    del found["kernels"]  # of ops as PyTorch dispatches them, which a page does not know
    return found | {"peaks": dict(machine.peaks), "calibrated": machine.calibrated}


def _measured(saved: SavedResults) -> list[Json]:
    return [_measured_row(point) for point in measured_points(saved, None).points]


def _measured_row(point: RooflinePoint) -> Json:
    row = point.measured
    assert row is not None  # points of a results file have a row
    times = {key: getattr(row, key) for key in ("median_ms", "ci_low_ms", "ci_high_ms")}
    return {**point.identity, "implementation": row.implementation, "form": point.variant.implementation, **times}
