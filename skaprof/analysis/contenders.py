"""The networks that train against each other: as given, at equal size or cost, and the controls beside them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skaprof.errors import SkaprofError, bad_value, named, shown
from skaprof.model.choice import Choice, open_backbone
from skaprof.model.cost import Cost, op_costs, total
from skaprof.model.network import Network, PlacedMixer, make_network, network_costs
from skaprof.model.spec import MixerSpec, StageMixers, parse_mixer, parse_stage_mixers

CONTROLS = ("identity", "pooling")
"""What mixes no tokens, and what mixes them without a look at them: the first tells what the data is worth."""
MATCHES = ("none", "params", "macs")
"""What contenders may be made equal in."""
_NEAR = 0.05
"""How far from the baseline's figure a mixer with as many heads may stay before other numbers of heads are tried."""
_MOST_HEADS = 32
_WIDEST = 512


@dataclass(frozen=True, slots=True)
class Contender:
    """A network by the name it has in rows, at its image size."""

    name: str
    network: Network
    is_control: bool = False

    @property
    def cost(self) -> Cost:
        """Of one image, forward."""
        return total(network_costs(self.network))

    @property
    def mixers(self) -> str:
        """The mixers of its stages, with commas."""
        return ",".join(self.network.choice.texts)

    @property
    def description(self) -> str:
        """All that tells the network from another."""
        return repr((self.network.backbone, self.network.choice.texts, self.network.height, self.network.width))


def contenders(
    models: Sequence[str],
    image: tuple[int, int],
    classes: int,
    position_std: float | None = None,
    match: str = "none",
    mixers: str | None = None,
) -> list[Contender]:
    """The networks that the models name, the baseline first, then the controls that are not among them.

    Args:
        position_std: of learned positions at the start; None: as each backbone has it.
        match: "params" or "macs": the mixers of all but the baseline get the heads and the width at which they come
            nearest to the baseline's in the same stage, where they have heads.

    Raises:
        SkaprofError: an unknown backbone or mixer, one network twice, images that do not fit it, or mixers that cannot
            be matched.
    """
    option = named("model")
    choices = [_fitted(open_backbone(text, mixers, option=option), classes, position_std) for text in models]
    baseline = _network(choices[0], image)
    named_choices = list(zip(models, choices, strict=True))
    if match != "none":
        named_choices[1:] = [_matched(text, choice, baseline, image, match) for text, choice in named_choices[1:]]
    _require_apart(named_choices)
    controls = [_with_mixer(choices[0], control, _contested(choices)) for control in CONTROLS]
    given = [choice for _, choice in named_choices]
    found = [
        Contender(text, _network(choice, image), is_control=place > 0 and choice in controls)
        for place, (text, choice) in enumerate(named_choices)
    ]
    missing = [control for control in controls if control not in given]
    return found + [Contender(_name(models[0], each), _network(each, image), is_control=True) for each in missing]


def _network(choice: Choice, image: tuple[int, int]) -> Network:
    return make_network(choice, *image, option=named("data"))


def _fitted(choice: Choice, classes: int, position_std: float | None) -> Choice:
    """The backbone with as many classes as the data."""
    backbone = choice.backbone._replace(classes=classes)
    if position_std is not None:
        backbone = backbone._replace(position_std=position_std)
    return choice._replace(backbone=backbone)


def _require_apart(choices: Iterable[tuple[str, Choice]]) -> None:
    seen: dict[tuple[object, ...], str] = {}
    names: set[str] = set()
    for text, choice in choices:
        key = (choice.backbone, choice.texts)
        if key in seen or text in names:
            raise SkaprofError(
                f"{named('model')}: {shown(seen.get(key, text))} and {shown(text)} are one network: expected one"
            )
        seen[key] = text
        names.add(text)


def _contested(choices: Sequence[Choice]) -> list[int]:
    """The stages in which not all have the mixers of the baseline; all of them where that is none."""
    own = choices[0]
    others = [choice for choice in choices if len(choice.stages) == len(own.stages)]
    places = range(len(own.stages))
    return [place for place in places if len({choice.texts[place] for choice in others}) > 1] or list(places)


def _with_mixer(choice: Choice, mixer: str, places: Iterable[int]) -> Choice:
    stages = list(choice.stages)
    for place in places:
        stages[place] = parse_stage_mixers(mixer, len(stages[place].blocks))
    return choice._replace(stages=tuple(stages))


def _name(model: str, choice: Choice) -> str:
    """What a network is called that the user did not name: the model and the mixers that are not its own."""
    base = model.rpartition("[")[0] if model.endswith("]") else model
    unmodified = choice.unmodified.texts
    changed = [
        f"stage{n}={text}" for n, (text, was) in enumerate(zip(choice.texts, unmodified, strict=True), 1) if text != was
    ]
    return f"{base}[{','.join(changed)}]" if changed else base


def _matched(text: str, choice: Choice, baseline: Network, image: tuple[int, int], match: str) -> tuple[str, Choice]:
    """The network whose mixers with heads cost as nearly as can be what the baseline's in the same stage do."""
    if len(choice.stages) != len(baseline.stages):
        raise bad_value(named("match"), match, f"none, as {shown(text)} has other stages than the baseline")
    network, stages = _network(choice, image), list(choice.stages)
    for place, (own, theirs) in enumerate(zip(network.stages, baseline.stages, strict=True)):
        specs = choice.stages[place].kinds
        if choice.stages[place].text == theirs.text or not any(spec.mixer.has_heads for spec in specs):
            continue
        if len(specs) > 1 or len(own.blocks) != len(theirs.blocks):
            raise bad_value(named("match"), match, f"none, as stage {place + 1} of {shown(text)} has several mixers")
        target = sum(_figure(mixer, match) for mixer in theirs.blocks) / len(theirs.blocks)
        spec = _nearest(own.blocks[0], theirs.blocks[0].workload.heads, target, match)
        stages[place] = StageMixers(spec.text, (spec,) * len(own.blocks))
    matched = choice._replace(stages=tuple(stages))
    return (text if matched.texts == choice.texts else _name(text, matched)), matched


def _figure(mixer: PlacedMixer, match: str) -> int:
    cost = total(op_costs(mixer.spec.ops(mixer.workload), 1))
    return int(cost.params if match == "params" else cost.macs)


def _nearest(placed: PlacedMixer, heads: int | None, target: float, match: str) -> MixerSpec:
    """The mixer with the heads and the width that bring its figure nearest to the target.

    With as many heads as the baseline where that comes near enough: of equal figures, the fewest heads more or less.

    Raises:
        SkaprofError: the mixer splits its input by head, so that neither is free.
    """
    if placed.spec.options.get("query") is False:
        raise bad_value(named("match"), match, f"none with {placed.spec.text}, whose heads split its input")
    own_heads = heads or placed.workload.heads
    found = []
    for count in range(1, _MOST_HEADS + 1):
        for width in range(1, _WIDEST + 1):
            figure = _figure(placed._replace(workload=placed.workload._replace(heads=count, head_dim=width)), match)
            found.append((abs(figure - target) / max(1, target), abs(count - own_heads), count, width))
            if figure > 2 * target:
                break
    near = [each for each in found if each[1] == 0 and each[0] <= _NEAR]
    _, _, count, width = min(near or found)
    return _resized(placed.spec, count, width)


def _resized(spec: MixerSpec, heads: int, head_dim: int) -> MixerSpec:
    kept = [part for part in spec.text.split(":") if part.partition("=")[0] not in ("heads", "head_dim")]
    return parse_mixer(":".join((*kept, f"heads={heads}", f"head_dim={head_dim}")))
