"""`skaprof attention`: the attention maps of a model on an image, as pictures and in measures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import STDOUT, require_no_input, say, say_notices
from skaprof.cli.own_model import OwnModel
from skaprof.cli.progress import Progress
from skaprof.cli.show import Page, View, show
from skaprof.errors import SkaprofError, bad_value, needing, printable, shown, shown_path
from skaprof.files import write_folder
from skaprof.foreign_model import is_path
from skaprof.grids import parse_sizes
from skaprof.model.choice import open_backbone

if TYPE_CHECKING:
    from skaprof.map_rows import AttentionRow
    from skaprof.maps.capture import AttentionMap
    from skaprof.maps.checkpoint import Weights
    from skaprof.maps.frozen_rows import Labelled
    from skaprof.maps.source import Source

_ROWS = "attention.json"
_ENDINGS = (".png", ".svg")
_COMPARED = 7
"""Test images that the reference image is compared with where no other is given."""


class Printed(opt.Tabled):
    """As `Tabled`, on stdout alone."""

    output: list[str] | None = None


@opt.with_options
def attention(
    *,
    target: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT|MODEL",
            help="A file of trained weights (torch.save or .safetensors), or a network as built: a backbone, "
            "NAME\\[stage1=SPEC], a TOML file, or FILE.py:NAME, your own model.",
        ),
    ],
    image: Annotated[
        list[str],
        typer.Option(
            metavar="FILE",
            help="The image to look at, PNG or JPEG; repeated, more of them, from which the variation between images "
            "is taken. The first is drawn.",
        ),
    ],
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="Where pictures and attention.json go.")
    ],
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="The network that CHECKPOINT is of, where it does not say.")
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(metavar="PIXELS", help="Image size, such as 224 or 224x320. Default: the backbone's own."),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(metavar="ROWxCOLUMN", help="The pixel whose token's attention is drawn. Default: the middle."),
    ] = None,
    mean: Annotated[
        str | None,
        typer.Option(metavar="R,G,B", help="What is taken off each channel, 0 to 1. Default: ImageNet's mean."),
    ] = None,
    std: Annotated[
        str | None, typer.Option(metavar="R,G,B", help="What each channel is divided by. Default: ImageNet's.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR|FILE.npz",
            help="Labelled images, as skaprof accuracy has them: what accuracy is left with maps frozen to their mean "
            "over images, of each head, each layer and all.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the pictures that are in FOLDER.")] = False,
    own: OwnModel,
    to: Printed,
) -> None:
    """Attention maps of a trained model on an image: pictures, and measures of each layer and head.

    The n x n maps, the attention that each token receives and one query's attention on the image: the mean over heads,
    and each head; in units of 1/n, PNG and SVG. Images are resized to cover the network's size, and their middle is
    taken.
    """
    to.require()
    if output == STDOUT:
        raise bad_value("--output", output, "a folder: pictures are several files")
    require_no_input("--output", output, {"--image": image, "CHECKPOINT": target, "--model": model})
    with needing("skaprof attention"):
        from skaprof.maps.images import IMAGENET_MEAN, IMAGENET_STD, normalized, read_image
        from skaprof.maps.rows import attention_rows, maps_of_images
    source, weights = _source(target, model, resolution, own)
    of_file = (weights.mean, weights.std) if weights else (None, None)
    channels = (
        _channels("--mean", mean, of_file[0] or IMAGENET_MEAN),
        _channels("--std", std, of_file[1] or IMAGENET_STD, least=1e-6),
    )
    place = _place(query, source)
    is_grey = bool(weights and weights.mean and len(weights.mean) == 1)
    images = [read_image("--image", path, source.height, source.width, is_grey=is_grey) for path in image]
    given = [normalized(each, *channels) for each in images]
    labelled = None if data is None else _labelled(data, source)
    if labelled is not None and len(given) == 1:
        given += labelled.images[:_COMPARED].split(1)
    notes: list[str] = []
    seen = maps_of_images(source, given, notes)
    rows = attention_rows(source, seen, Path(image[0]).name, Path(weights.path).name if weights else None)
    if labelled is not None:
        rows = _frozen(source, rows, labelled)
    files = _pictures(source, seen[0], rows, images[0], place)
    show_rows = [row.as_dict() for row in rows]
    write_folder("--output", output, {**files, _ROWS: _json(show_rows)}, _why_not if force else None)
    say(f"wrote {printable(output)}: {', '.join(files)} and {_ROWS}")
    say_notices(notes)
    show(show_rows, to, View(lambda: _page(rows)))


def _labelled(data: str, source: Source) -> Labelled:
    from skaprof.maps.frozen_rows import Labelled

    return Labelled(data, source)


def _frozen(source: Source, rows: list[AttentionRow], labelled: Labelled) -> list[AttentionRow]:
    from skaprof.maps.frozen_rows import frozen_rows

    with Progress("freezing maps", 100) as bar:
        return frozen_rows(source, rows, labelled, bar.at)


def _source(target: str, model: str | None, resolution: str | None, own: OwnModel) -> tuple[Source, Weights | None]:
    """The model, and its weights where they are from a file.

    Raises:
        SkaprofError: there is none of that name, or the file is of another network.
    """
    from skaprof.maps.checkpoint import read_weights
    from skaprof.maps.source import backbone_source, user_source

    weights = None
    if Path(target).is_file() and not target.lower().endswith(".toml"):
        weights = read_weights("CHECKPOINT", target)
    elif model is not None:
        raise bad_value("CHECKPOINT", target, "a file of weights, as --model names the network")
    name, option = (target, "MODEL") if weights is None else (model or weights.model, "--model")
    if name is None:
        raise SkaprofError(f"CHECKPOINT: {shown(target)} does not say which network it is of: expected --model")
    if is_path(name):
        if resolution is not None:
            raise SkaprofError("--resolution: a model of your own takes what --shape says: expected no --resolution")
        return user_source(own.named(name), option, weights), weights
    own.require_none()
    choice = open_backbone(name, option=option)
    if resolution is None and weights is not None:
        size_of = f"CHECKPOINT: image size of {shown_path(target)}, which is of {weights.model}"
        return backbone_source(choice, name, weights.size, weights, size_of), weights
    sizes = (None,) if resolution is None else parse_sizes("--resolution", resolution)
    if len(sizes) != 1:
        raise bad_value("--resolution", resolution, "one image size")
    return backbone_source(choice, name, sizes[0], weights), weights


def _channels(option: str, text: str | None, default: tuple[float, ...], least: float = -1e6) -> tuple[float, ...]:
    """One number for each channel.

    Raises:
        SkaprofError: other than one number or three, or one that is not valid.
    """
    if text is None:
        return default
    expected = "three numbers, or one for all channels"
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise bad_value(option, text, expected) from None
    if len(values) not in (1, 3) or not all(least <= value <= 1e6 for value in values):
        raise bad_value(option, text, expected + (" above 0" if least > 0 else ""))
    return values


def _place(query: str | None, source: Source) -> tuple[float, float]:
    """The query's place, as shares of the image's height and width.

    Raises:
        SkaprofError: it is off the image.
    """
    if query is None:
        return 0.5, 0.5
    parts = query.lower().split("x")
    sides = (source.height, source.width)
    if len(parts) != len(sides) or not all(part.isdecimal() for part in parts):
        raise bad_value("--query", query, "a pixel, ROWxCOLUMN, such as 112x60")
    if not all(int(part) < side for part, side in zip(parts, sides, strict=True)):
        raise bad_value("--query", query, f"a pixel of the image, {source.height} rows of {source.width}")
    row, column = (int(part) / side for part, side in zip(parts, sides, strict=True))
    return row, column


def _pictures(
    source: Source, maps: Sequence[AttentionMap], rows: Sequence[AttentionRow], image: Any, place: tuple[float, float]
) -> dict[str, bytes]:
    from skaprof.report.attention_figure import Layer, Reference, pictures
    from skaprof.report.canvas import encoded_as

    layers = []
    for number, each in enumerate(maps, start=1):
        where = source.place(each.scope, each.weights.shape[-1])
        title = f"{number} {each.scope.removesuffix('.mixer')}\n{where.mixer or ''}"
        layers.append(Layer(title, each.weights.numpy(), where.grid, where.class_tokens))
    reference = Reference(image[0].permute(1, 2, 0).numpy(), place, rows[0].image)
    return {
        f"{name}{ending}": data
        for name, figure in pictures(layers, source.name, reference)
        for ending, data in zip(_ENDINGS, encoded_as(figure, _ENDINGS), strict=True)
    }


def _json(rows: Sequence[dict[str, Any]]) -> bytes:
    from skaprof.cli.show import command_line, environment
    from skaprof.report.formats import to_json

    return "".join(to_json(command_line(), environment(), rows)).encode()


def _why_not(folder: Path) -> str | None:
    """Why a folder may not be replaced: something in it is none of our files."""
    from skaprof.report.attention_figure import PICTURES

    known = {_ROWS, *(f"{name}{ending}" for name in PICTURES for ending in _ENDINGS)}
    foreign = sorted(entry.name for entry in folder.iterdir() if entry.name not in known or not entry.is_file())
    return f"{shown(foreign[0])} in it is no picture of skaprof attention" if foreign else None


def _page(rows: Sequence[AttentionRow]) -> Page:
    from skaprof.report import attention as report

    return Page(report.attention_table(rows), report.heading(rows), report.sentences(rows), legend=report.LEGEND)
