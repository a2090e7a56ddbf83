"""The options that commands share, so that a word means the same in each, and what they parse to.

Annotations are evaluated here and in the commands, not kept as text: that would be compiled at every start.
"""

from typing import Annotated, Any

import typer

from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.cli.option_records import Options as Options  # noqa: PLC0414  # commands find it here
from skaprof.cli.option_records import with_options as with_options  # noqa: PLC0414  # as above
from skaprof.cli.output import say_notices
from skaprof.cli.output_options import Drawn as Drawn  # noqa: PLC0414  # as above
from skaprof.cli.output_options import DrawnCosts as DrawnCosts  # noqa: PLC0414  # as above
from skaprof.cli.output_options import Shown as Shown  # noqa: PLC0414  # as above
from skaprof.cli.output_options import Tabled as Tabled  # noqa: PLC0414  # as above
from skaprof.errors import SkaprofError
from skaprof.grids import (
    MAX_GRID_VALUES,
    class_token_notices,
    parse_choices,
    parse_grid,
    parse_optional_grid,
    token_grid_sides,
)
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.workload import DEFAULT_DIM, DEFAULT_DTYPE, DTYPE_BYTES, FORMS, MODES, require_odd_kernel

_SIZES = "Sizes"

Mixers = Annotated[
    list[str] | None,
    typer.Option(
        "--mixer",
        "-m",
        metavar="SPEC",
        help="NAME[:OPTION=VALUE]..., repeatable: mhsa, ska, cska, linear, sepconv, pooling, identity; "
        "for example ska:query=false, cska:kernel_size=5:head_dim=16. Default: mhsa, ska, cska.",
    ),
]
Batch = Annotated[str | None, typer.Option(metavar="GRID", help="Batch size B. Default: 1.", rich_help_panel=_SIZES)]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help=f"{', '.join(DTYPE_BYTES)}: sets the bytes. Default: float32; what a model of your own has.",
        rich_help_panel=_SIZES,
    ),
]
Mode = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="forward, or train: forward and backward with respect to input and parameters.",
        rich_help_panel=_SIZES,
    ),
]
HARDWARE = typer.Option(
    "--hardware",
    metavar="NAME|FILE",
    help="h100-sxm, h100-pcie, h200-sxm, a100-sxm-80, a100-pcie-80, a100-sxm-40, a100-pcie-40, l4, rtx-4090, "
    "jetson-agx-orin-64, epyc-9654, xeon-8480, ryzen-7950x, or a TOML file, such as skaprof calibrate writes.",
)
DIFFERENT_MACHINE = typer.Option(
    "--allow-different-machine",
    help="Predict all the same by a calibration of another processor, PyTorch or thread count than the times.",
)
TF32 = typer.Option("--tf32", help="Against the TF32 peak; the bytes stay float32's.")
Task = Annotated[
    str,
    typer.Option(
        metavar="TASK", help="classification; detection (800x1280) or segmentation (512x2048), both without the head."
    ),
]


def shard_option(what: str, panel: str | None = None) -> Any:
    """`--shard`, of so many `what`s."""
    words = f"Every N-th {what} alone, from the K-th on, such as 3/8, or 3,7/8; skaprof merge puts the files together."
    return typer.Option("--shard", metavar="K/N", help=words, rich_help_panel=panel)


class Sizes(Options):
    """Mixers and the grids of their sizes, as typed."""

    mixer: Mixers = None
    tokens: Annotated[
        str | None,
        typer.Option(
            metavar="GRID",
            help="Number of tokens n, on the most nearly square grid. Default: 196.",
            rich_help_panel=_SIZES,
        ),
    ] = None
    size: Annotated[
        str | None, typer.Option(metavar="HxW", help="The token grid itself, such as 14x20.", rich_help_panel=_SIZES)
    ] = None
    resolution: Annotated[
        str | None,
        typer.Option(
            metavar="PIXELS",
            help="Image size, such as 224 or 800x1280; with --patch it gives the tokens.",
            rich_help_panel=_SIZES,
        ),
    ] = None
    patch: Annotated[
        str | None,
        typer.Option(metavar="GRID", help="Patch size for --resolution. Default: 16.", rich_help_panel=_SIZES),
    ] = None
    class_token: Annotated[
        bool,
        typer.Option(
            "--class-token",
            help="One token more, beside the grid, as in a ViT: --tokens 196 is then 197, 14 x 14 and one.",
            rich_help_panel=_SIZES,
        ),
    ] = False
    dim: Annotated[
        str | None, typer.Option(metavar="GRID", help="Embedding dim d. Default: 256.", rich_help_panel=_SIZES)
    ] = None
    batch: Batch = None
    heads: Annotated[
        str | None,
        typer.Option(metavar="GRID", help="Heads h. Alone, it must divide dim.", rich_help_panel=_SIZES),
    ] = None
    head_dim: Annotated[
        str | None,
        typer.Option(
            metavar="GRID",
            help="Width e of a head. Default: 32 where that divides dim, else the largest divisor up to 32.",
            rich_help_panel=_SIZES,
        ),
    ] = None
    kernel_size: Annotated[
        str | None,
        typer.Option(
            metavar="GRID", help="Kernel size k, odd. Default: cska 3, sepconv 7, pooling 3.", rich_help_panel=_SIZES
        ),
    ] = None

    def given(self, *others: str) -> dict[str, Any]:
        """The options that are given, by name, but for `others`."""
        return {
            f"--{name.replace('_', '-')}": value
            for name, value in vars(self).items()
            if value not in (None, False) and name not in others
        }

    def plan(
        self,
        dtype: str = "float32",
        mode: str = "forward",
        implementation: str = "eager",
        *,
        class_token_in: bool = True,
    ) -> Plan:
        """The rows that the options ask for, in these forms, which are lists as typed.

        Args:
            class_token_in: whether what is asked of them can have a class token.

        Raises:
            SkaprofError: a value that is not valid, naming its option.
        """
        if self.class_token and not class_token_in:
            raise SkaprofError(
                "--class-token: expected none here: it has a place in the mixers' own costs and times alone"
            )
        specs = [parse_mixer(text, "--mixer") for text in self.mixer or DEFAULT_MIXERS]
        batches = (1,) if self.batch is None else parse_grid("--batch", self.batch)
        dims = (DEFAULT_DIM,) if self.dim is None else parse_grid("--dim", self.dim)
        most_sides = MAX_GRID_VALUES // (len(batches) * len(dims) * len({spec.text for spec in specs}))
        grid = SizeGrid(
            batches,
            token_grid_sides(self.tokens, self.size, self.resolution, self.patch, max(1, most_sides)),
            dims,
            parse_optional_grid("--heads", self.heads),
            parse_optional_grid("--head-dim", self.head_dim),
            parse_optional_grid("--kernel-size", self.kernel_size),
            int(self.class_token),
        )
        say_notices(class_token_notices(self.tokens, with_class_token=self.class_token, offered=class_token_in))
        for size_of_kernel in grid.kernel_sizes:
            require_odd_kernel(size_of_kernel, "--kernel-size")
        return make_plan(
            specs,
            grid,
            parse_choices("--implementation", implementation, FORMS),
            parse_choices("--mode", mode, MODES),
            parse_choices("--dtype", dtype, tuple(DTYPE_BYTES)),
        )


class Forms(Options):
    """In which forms mixers are costed, as typed."""

    dtype: Dtype = None
    mode: Mode = "forward"
    implementation: Annotated[
        str,
        typer.Option(
            metavar="LIST",
            help="eager: each op reads and writes memory; sdpa: the attention is one fused kernel; tiled: it runs some "
            "rows of queries at a time, and holds no scores; triton: as one kernel of Triton's (ska, cska).",
            rich_help_panel=_SIZES,
        ),
    ] = "eager"

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The dtypes, each checked."""
        return parse_choices("--dtype", self.dtype or DEFAULT_DTYPE, tuple(DTYPE_BYTES))

    @property
    def modes(self) -> tuple[str, ...]:
        """The modes, each checked."""
        return parse_choices("--mode", self.mode, MODES)
