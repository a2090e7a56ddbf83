"""Which backbone with which mixers a text names: `caformer_s18[stage3=ska]`, or a TOML file with mixers put in."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from skaprof.errors import SkaprofError, bad_value, named, shown
from skaprof.model.backbones import BACKBONES, Backbone
from skaprof.model.custom import load_backbone
from skaprof.model.spec import MixerSpec, StageMixers, parse_stage_mixers
from skaprof.words import meant


class Choice(NamedTuple):
    """A backbone with the mixers of each stage."""

    backbone: Backbone
    stages: tuple[StageMixers, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The mixers of each stage, as the user wrote them."""
        return tuple(stage.text for stage in self.stages)

    @property
    def kinds(self) -> tuple[MixerSpec, ...]:
        """The mixers in it, each once."""
        return tuple({spec.text: spec for stage in self.stages for spec in stage.kinds}.values())

    @property
    def is_modified(self) -> bool:
        """Whether any mixer is not the backbone's own."""
        return self.texts != self.backbone.mixers

    @property
    def unmodified(self) -> "Choice":
        """The backbone with its own mixers."""
        return _own(self.backbone)


def _own(backbone: Backbone) -> Choice:
    return _chosen(backbone, backbone.mixers, named("mixer"))


def _chosen(backbone: Backbone, texts: Iterable[str], option: str) -> Choice:
    """The backbone with the mixers that each text names for its stage."""
    stages = zip(backbone.stages, texts, strict=True)
    return Choice(backbone, tuple(parse_stage_mixers(text, stage.depth, option) for stage, text in stages))


def find_backbone(name: str, option: str = "model") -> Backbone:
    """The built-in backbone of that name.

    Raises:
        SkaprofError: there is none, with the nearest name.
    """
    found = meant(name, BACKBONES)
    if found not in BACKBONES:
        raise bad_value(option, name, f"one of {', '.join(BACKBONES)}, or a file ending in .toml", BACKBONES)
    return BACKBONES[found]


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
    mixers_option: str = named("mixers"),
) -> Choice:
    """The backbone of a name or a TOML file, either with `[stage3=SPEC]` behind it, with the mixers of `choose`.

    `option` and `mixers_option` are what the user knows `name` and `mixers` by.

    Raises:
        SkaprofError: as `parse_backbone`, `choose` and `load_backbone`; mixers named twice over.
    """
    base, inside = _split(name)
    backbone = load_backbone(base) if base.lower().endswith(".toml") else find_backbone(base, option)
    if mixers is None and not overrides:
        return _in_brackets(backbone, name, inside, option)
    if inside is not None:
        given = mixers_option if mixers is not None else named("stage")
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
    own = _own(backbone)
    if inside is None:
        return own
    if not inside.endswith("]"):
        raise bad_value(option, text, "NAME or NAME[stage3=SPEC,...], with the bracket closed")
    return _overridden(own, inside.removesuffix("]").split(","), option, "stage")


def choose(
    backbone: Backbone, mixers: str | None, overrides: Iterable[str], mixers_option: str = named("mixers")
) -> Choice:
    """The backbone with `mixers`, one a stage, separated by commas, or one for all; then with each override `3=ska`.

    Raises:
        SkaprofError: another number of mixers, an unknown one, or an override of no such stage or of one stage twice.
    """
    texts = list(backbone.mixers) if mixers is None else _one_a_stage(backbone, mixers, mixers_option)
    own = _chosen(backbone, texts, "mixer" if mixers is None else mixers_option)
    return _overridden(own, overrides, named("stage"))


def _overridden(choice: Choice, overrides: Iterable[str], option: str, prefix: str = "") -> Choice:
    changed: dict[int, StageMixers] = {}
    for override in overrides:
        number, text = parse_override(choice.backbone, override, option, prefix)
        if number in changed:
            raise bad_value(option, override, f"stage {number} only once")
        changed[number] = parse_stage_mixers(text, choice.backbone.stages[number - 1].depth, option)
    return choice._replace(stages=tuple(changed.get(number, stage) for number, stage in enumerate(choice.stages, 1)))


def parse_override(
    backbone: Backbone, override: str, option: str = named("stage"), prefix: str = ""
) -> tuple[int, str]:
    """The stage, counted from 1, and the text that `3=ska` has for it, or `stage3=ska` with the prefix "stage".

    Raises:
        SkaprofError: no such stage, or no text.
    """
    place, equals, text = override.partition("=")
    last = len(backbone.stages)
    if not equals or not text or place not in (f"{prefix}{number}" for number in range(1, last + 1)):
        first = f"{prefix}1=SPEC"
        stages = first if last == 1 else f"{first} to {prefix}{last}=SPEC"
        raise bad_value(option, override, f"{stages}, as {backbone.name} has {last} {_plural('stage', last)}")
    return int(place.removeprefix(prefix)), text


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
