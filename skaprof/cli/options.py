"""The options that commands share, so that a word means the same in each, and what they parse to."""

from __future__ import annotations

from typing import Annotated

import typer

from skaprof.analysis.plan import Plan, SizeGrid, make_plan
from skaprof.grids import MAX_GRID_VALUES, parse_choices, parse_grid, parse_optional_grid, token_grid_sides
from skaprof.model.mixers import DEFAULT_MIXERS
from skaprof.model.spec import parse_mixer
from skaprof.workload import DEFAULT_DIM, DTYPE_BYTES, FORMS, MODES, require_odd_kernel

_SIZES = "Sizes"
_OUTPUT = "Output"

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
Tokens = Annotated[
    str | None,
    typer.Option(
        metavar="GRID", help="Number of tokens n, on the most nearly square grid. Default: 196.", rich_help_panel=_SIZES
    ),
]
Size = Annotated[
    str | None, typer.Option(metavar="HxW", help="The token grid itself, such as 14x20.", rich_help_panel=_SIZES)
]
Resolution = Annotated[
    str | None,
    typer.Option(
        metavar="PIXELS",
        help="Image size, such as 224 or 800x1280; with --patch it gives the tokens.",
        rich_help_panel=_SIZES,
    ),
]
Patch = Annotated[
    str | None, typer.Option(metavar="GRID", help="Patch size for --resolution. Default: 16.", rich_help_panel=_SIZES)
]
Dim = Annotated[str | None, typer.Option(metavar="GRID", help="Embedding dim d. Default: 256.", rich_help_panel=_SIZES)]
Batch = Annotated[str | None, typer.Option(metavar="GRID", help="Batch size B. Default: 1.", rich_help_panel=_SIZES)]
Heads = Annotated[
    str | None,
    typer.Option(metavar="GRID", help="Heads h. Alone, it must divide dim.", rich_help_panel=_SIZES),
]
HeadDim = Annotated[
    str | None,
    typer.Option(
        metavar="GRID",
        help="Width e of a head. Default: 32 where that divides dim, else the largest divisor up to 32.",
        rich_help_panel=_SIZES,
    ),
]
KernelSize = Annotated[
    str | None,
    typer.Option(
        metavar="GRID", help="Kernel size k, odd. Default: cska 3, sepconv 7, pooling 3.", rich_help_panel=_SIZES
    ),
]
Dtype = Annotated[
    str, typer.Option(metavar="LIST", help=f"{', '.join(DTYPE_BYTES)}: sets the bytes.", rich_help_panel=_SIZES)
]
Mode = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="forward, or train: forward and backward with respect to input and parameters.",
        rich_help_panel=_SIZES,
    ),
]
Implementation = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="eager: each op reads and writes memory; sdpa: the attention is one fused kernel.",
        rich_help_panel=_SIZES,
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="table, json, csv or markdown. Default: table.",
        rich_help_panel=_OUTPUT,
    ),
]
CostFormat = Annotated[
    str | None,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="table, json, csv, markdown, or bmf: Bencher Metric Format, for dashboards. Default: table.",
        rich_help_panel=_OUTPUT,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write to FILE instead of stdout; its ending (.json, .csv, .md, .txt) gives the format.",
        rich_help_panel=_OUTPUT,
    ),
]
HARDWARE = typer.Option(
    "--hardware",
    metavar="NAME|FILE",
    help="h100-sxm, h100-pcie, h200-sxm, a100-sxm-80, a100-pcie-80, a100-sxm-40, a100-pcie-40, l4, rtx-4090, "
    "jetson-agx-orin-64, epyc-9654, xeon-8480, ryzen-7950x, or a TOML file, such as skaprof calibrate writes.",
)
TF32 = typer.Option("--tf32", help="Against the TF32 peak; the bytes stay float32's.")
Task = Annotated[
    str,
    typer.Option(
        metavar="TASK", help="classification; detection (800x1280) or segmentation (512x2048), both without the head."
    ),
]
Plot = Annotated[
    list[str] | None,
    typer.Option(metavar="FILE", help="Draw it: .png or .svg; repeatable.", rich_help_panel=_OUTPUT),
]


def plan_of(
    mixers: list[str] | None,
    tokens: str | None,
    size: str | None,
    resolution: str | None,
    patch: str | None,
    dim: str | None,
    batch: str | None,
    heads: str | None,
    head_dim: str | None,
    kernel_size: str | None,
    dtype: str,
    mode: str,
    implementation: str,
) -> Plan:
    """The rows that the options ask for.

    Raises:
        SkaprofError: a value that is not valid, naming its option.
    """
    specs = [parse_mixer(text, "--mixer") for text in mixers or DEFAULT_MIXERS]
    batches = (1,) if batch is None else parse_grid("--batch", batch)
    dims = (DEFAULT_DIM,) if dim is None else parse_grid("--dim", dim)
    most_sides = MAX_GRID_VALUES // (len(batches) * len(dims) * len({spec.text for spec in specs}))
    grid = SizeGrid(
        batches,
        token_grid_sides(tokens, size, resolution, patch, max(1, most_sides)),
        dims,
        parse_optional_grid("--heads", heads),
        parse_optional_grid("--head-dim", head_dim),
        parse_optional_grid("--kernel-size", kernel_size),
    )
    for size_of_kernel in grid.kernel_sizes:
        require_odd_kernel(size_of_kernel, "--kernel-size")
    return make_plan(
        specs,
        grid,
        parse_choices("--implementation", implementation, FORMS),
        parse_choices("--mode", mode, MODES),
        parse_choices("--dtype", dtype, tuple(DTYPE_BYTES)),
    )
