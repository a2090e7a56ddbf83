"""`skaprof latency --model`: whole backbones as contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, product
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from skaprof.cli import options as opt
from skaprof.errors import SkaprofError, shown, shown_option, shown_path
from skaprof.grids import parse_choices, parse_grid, parse_sizes
from skaprof.model.choice import Choice, open_backbone
from skaprof.model.network import make_network
from skaprof.workload import DTYPE_BYTES, MODES

if TYPE_CHECKING:
    from skaprof.bench.modules import NetworkEntry

PANEL = "Whole backbones"


class Backbones(opt.Options):
    """The backbones to time instead of mixers, as typed."""

    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Time whole models instead: caformer_s18, caformer_s18\\[stage3=ska], a TOML file, or FILE.py:NAME, a "
            "model of your own; repeatable, the first is the baseline. --resolution is the image's.",
            rich_help_panel=PANEL,
        ),
    ] = None
    mixers: Annotated[
        str | None,
        typer.Option(
            metavar="SPEC,...", help="A mixer for each stage of --model, or one for all.", rich_help_panel=PANEL
        ),
    ] = None

    def require_apart(self, of_mixers: Mapping[str, object]) -> None:
        """Raise unless the options of whole backbones and those of single mixers do not meet.

        Raises:
            SkaprofError: --mixers without --model, or --model with an option that says nothing of a whole backbone.
        """
        if not self.model:
            if self.mixers is not None:
                raise SkaprofError(f"--mixers: {shown(self.mixers)} needs --model, which is not given")
            return
        for option, given in of_mixers.items():
            if given is not None:
                raise SkaprofError(
                    f"{option}: {shown_option(given)}: expected without --model, whose stages have their own"
                )


class Wanted(NamedTuple):
    """The backbones of one size, which are timed together."""

    models: tuple[str, ...]
    mixers: str | None
    image: tuple[int, int]
    batch: int
    dtype: str
    mode: str


def parse(
    models: Sequence[str], mixers: str | None, resolution: str | None, batch: str | None, dtype: str, mode: str
) -> list[Wanted]:
    """What the options ask for, each network made once to see that it fits.

    Raises:
        SkaprofError: an unknown backbone or mixer, a size that does not fit, or two that results would not tell apart.
    """
    unique = tuple(dict.fromkeys(models))
    if not unique:
        return []
    choices = [open_backbone(model, mixers, option="--model") for model in unique]
    _require_names_apart(unique, choices)
    own = choices[0].backbone.resolution
    images = ((own, own),) if resolution is None else parse_sizes("--resolution", resolution)
    for choice, image in product(choices, images):
        make_network(choice, *image, option="--resolution")
    batches = (1,) if batch is None else parse_grid("--batch", batch)
    dtypes, modes = parse_choices("--dtype", dtype, tuple(DTYPE_BYTES)), parse_choices("--mode", mode, MODES)
    return [Wanted(unique, mixers, *sizes) for sizes in product(images, batches, dtypes, modes)]


def _require_names_apart(models: Sequence[str], choices: Sequence[Choice]) -> None:
    """Raise unless the backbone's name and the mixers of its stages tell each network from the others.

    Raises:
        SkaprofError: two files of one name, or one network named in two ways.
    """
    for (first, one), (second, other) in combinations(zip(models, choices, strict=True), 2):
        name = one.backbone.name
        if name == other.backbone.name and one.backbone != other.backbone:
            raise SkaprofError(
                f"--model: {shown_path(first)} and {shown_path(second)} are both called {shown(name)} in results, "
                "after the file: expected files of different names"
            )
        if one.backbone == other.backbone and one.texts == other.texts:
            raise SkaprofError(f"--model: {shown_path(first)} and {shown_path(second)} are one network: expected one")


def swept(wanted: Sequence[Wanted]) -> tuple[str, ...]:
    """The row keys of the sizes with more than one value, the one with the most first."""
    values = {
        "image_height": {each.image[0] for each in wanted},
        "image_width": {each.image[1] for each in wanted},
        "batch": {each.batch for each in wanted},
    }
    if all(height == width for height, width in (each.image for each in wanted)):
        del values["image_width"]
    found = [key for key in values if len(values[key]) > 1]
    return tuple(sorted(found, key=lambda key: -len(values[key])))


def groups(wanted: Sequence[Wanted], implementations: Sequence[str]) -> list[list[NetworkEntry]]:
    """The rows to measure, those of one size together."""
    from skaprof.bench.modules import NetworkEntry

    return [
        [
            NetworkEntry(model, each.mixers, each.image, each.batch, each.mode, each.dtype, implementation)
            for model, implementation in product(each.models, implementations)
        ]
        for each in wanted
    ]
