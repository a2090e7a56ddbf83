"""`skaprof flops`: parameters, MACs, FLOPs and bytes of token mixers, from closed forms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.cli import options as opt
from skaprof.cli.output import emit, require_writable, say, suffix_of, write_whole
from skaprof.cli.run import command_line, environment, format_of
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError
from skaprof.model.plan import Plan, Variant
from skaprof.model.rows import cost_row, op_rows, ratios
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.workload import DEFAULT_DIM, Workload

if TYPE_CHECKING:
    from skaprof.count import Verification

MOST_ROWS = 1_000_000
MOST_TABLE_ROWS = 2_000
_VECTORIZE_FROM = 5_000  # above this, one pass of numpy beats one row at a time even with numpy's import
_PLOT_ENDINGS = (".png", ".svg")

Row = dict[str, Any]


def flops(
    mixer: opt.Mixers = None,
    tokens: opt.Tokens = None,
    size: opt.Size = None,
    resolution: opt.Resolution = None,
    patch: opt.Patch = None,
    dim: opt.Dim = str(DEFAULT_DIM),
    batch: opt.Batch = "1",
    heads: opt.Heads = None,
    head_dim: opt.HeadDim = None,
    kernel_size: opt.KernelSize = None,
    dtype: opt.Dtype = "float32",
    mode: opt.Mode = "forward",
    implementation: opt.Implementation = "eager",
    baseline: Annotated[
        str | None, typer.Option(metavar="SPEC", help="Add ratios to this mixer at the same sizes.")
    ] = None,
    per_op: Annotated[bool, typer.Option("--per-op", help="One row for each op of each mixer.")] = False,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Prove each row: the built module, fvcore and FlopCounterMode. Exit 1 if not."),
    ] = False,
    formula: Annotated[
        bool, typer.Option("--formula", help="Print the closed forms instead, from the same ops.")
    ] = False,
    format: opt.Format = None,
    output: opt.Output = None,
    plot: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Draw it: .png or .svg; repeatable.", rich_help_panel="Output"),
    ] = None,
) -> None:
    """Parameters, MACs, FLOPs and bytes of token mixers at your sizes, from closed forms.

    Every size takes a grid: 256, or 64,128, or 64:1024:64 (both ends in), or 64:4096:*2; several grids make their
    product. 1 MAC is one multiply-add; FLOPs = 2 x MACs; elementwise FLOPs are counted apart.
    """
    chosen = format_of(format, output)
    _require_compatible(per_op=per_op, verify=verify, formula=formula, baseline=baseline, plot=plot)
    plan = opt.plan_of(
        mixer, tokens, size, resolution, patch, dim, batch, heads, head_dim, kernel_size, dtype, mode, implementation
    )
    reference = parse_mixer(baseline, "--baseline") if baseline is not None else None
    _require_destinations(output, plot)
    _require_row_count(plan, chosen, per_op=per_op, plot=bool(plot))
    if formula:
        _deliver(_formula_rows(plan), chosen, output, environment(), _formula_legend())
        return
    proofs: list[Verification] = []
    rows = _proved(plan, proofs, per_op=per_op) if verify else _rows(plan, reference, per_op=per_op)
    if verify or plot or chosen == "table":
        rows = list(rows)
    if plot:
        _draw(list(rows), plan.swept, plot)
    words = _words(list(rows), plan, reference) if chosen == "table" else []
    _deliver(rows, chosen, output, environment(counters=verify), words)
    if not all(proof.verified for proof in proofs):
        raise SystemExit(EXIT_CHECK_FAILED)


def _require_compatible(*, baseline: str | None, plot: list[str] | None, **flags: bool) -> None:
    given = [f"--{name.replace('_', '-')}" for name, is_set in flags.items() if is_set]
    given += [name for name, value in (("--baseline", baseline), ("--plot", plot)) if value]
    clashes = {
        "--formula": ("--per-op", "--verify", "--baseline", "--plot"),
        "--per-op": ("--baseline", "--plot"),
        "--verify": ("--baseline",),
    }
    for option, others in clashes.items():
        for other in others:
            if option in given and other in given:
                raise SkaprofError(f"{option} and {other} cannot be combined: expected one of them")


def _require_destinations(output: str | None, plot: list[str] | None) -> None:
    if output is not None:
        require_writable("--output", output)
    for path in plot or ():
        suffix_of("--plot", path, _PLOT_ENDINGS)
        require_writable("--plot", path)


def _require_row_count(plan: Plan, chosen: str, *, per_op: bool, plot: bool) -> None:
    rows = plan.row_count
    if rows > MOST_ROWS:
        raise SkaprofError(
            f"the sweep has {rows:,} rows: expected at most {MOST_ROWS:,}; "
            "use coarser grids, or skaprof.sweep in Python"
        )
    if rows > MOST_TABLE_ROWS and chosen == "table" and not (plot and per_op):
        raise SkaprofError(
            f"the sweep has {rows:,} rows: expected at most {MOST_TABLE_ROWS:,} in a table; use --format csv or json"
        )


def _rows(plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> Iterable[Row]:
    if not per_op and reference is None and plan.row_count > _VECTORIZE_FROM:
        from skaprof.columns import sweep_rows

        return sweep_rows(plan)
    return _rows_one_by_one(plan, reference, per_op=per_op)


def _rows_one_by_one(plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> Iterator[Row]:
    for variant, workload in plan.rows():
        if per_op:
            yield from op_rows(variant, workload)
            continue
        row = cost_row(variant, workload).as_dict()
        if reference is not None:
            row |= {"baseline": reference.text, **ratios(row, _baseline_row(variant, workload, reference))}
        yield row


def _baseline_row(variant: Variant, w: Workload, reference: MixerSpec) -> Row:
    """The baseline's row at the same sizes; its own defaults for an axis that the mixer of this row does not have."""
    implementation = variant.implementation
    if implementation not in reference.mixer.op_lists:
        implementation = "eager"
    channels = reference.resolve_channels(w.dim, w.heads, w.head_dim)
    sizes = Workload(w.batch, w.height, w.width, *channels, reference.resolve_kernel_size(w.kernel_size))
    return cost_row(Variant(reference, implementation, variant.mode, variant.dtype), sizes).as_dict()


def _proved(plan: Plan, proofs: list[Verification], *, per_op: bool) -> Iterator[Row]:
    """The rows with what the counters say; differences go to stderr, op by op, as they are found."""
    from skaprof.api import load_verify
    from skaprof.cli.progress import progress

    prove = load_verify()
    for variant, workload in progress(plan.rows(), plan.row_count, "verifying"):
        proof = prove(variant, workload)
        proofs.append(proof)
        for difference in proof.differences:
            say(f"{variant.spec.text}, {workload.tokens} tokens, dim {workload.dim}, {variant.mode}: {difference}")
        if per_op:
            for row in op_rows(variant, workload):
                yield row | proof.of_op(row["op"])
        else:
            yield cost_row(variant, workload).as_dict() | proof.as_dict()


def _formula_rows(plan: Plan) -> list[Row]:
    from skaprof.symbolic import QUANTITIES, formulas, machine_readable, pretty

    rows = []
    for block in plan.blocks:
        variant = block.variant
        found = formulas(variant.spec, variant.implementation, variant.mode)
        identity = {"mixer": variant.spec.text, "implementation": variant.implementation, "mode": variant.mode}
        rows += [
            {
                **identity,
                "quantity": quantity,
                "formula": machine_readable(found[quantity]),
                "text": pretty(found[quantity]),
            }
            for quantity in QUANTITIES
        ]
    return rows


def _formula_legend() -> list[str]:
    from skaprof.model.ops import PRICES
    from skaprof.symbolic import SYMBOLS

    prices = "; ".join(f"{kind} {price.forward} (backward {price.backward})" for kind, price in PRICES.items())
    return [
        ", ".join(f"{symbol} {meaning}" for symbol, meaning in SYMBOLS.items()) + "; h e = d unless both are given.",
        f"Elementwise FLOPs per element: {prices}.",
    ]


def _draw(rows: list[Row], swept: Sequence[str], paths: list[str]) -> None:
    from skaprof.report.plot import cost_plot
    from skaprof.report.table import caption

    for path in paths:
        write_whole("--plot", path, [cost_plot(rows, swept, caption(rows), suffix_of("--plot", path, _PLOT_ENDINGS))])
        say(f"wrote {path}")


def _words(rows: list[Row], plan: Plan, reference: MixerSpec | None) -> list[str]:
    """The sentences below the table."""
    from skaprof.report import words

    if not rows:
        return []
    if "op" in rows[0]:
        found = words.op_sentences(rows)
    else:
        found = words.cheapest_sentences(rows, words.size_groups(rows)) + _breakevens(plan, reference)
    if "verified" in rows[0]:
        found += words.proof_sentences(rows)
    return [*found, words.CONVENTION]


def _breakevens(plan: Plan, reference: MixerSpec | None) -> list[str]:
    """Where each mixer's break-even with the baseline lies over the tokens, where the other sizes are one."""
    from skaprof.model.breakeven import token_breakevens
    from skaprof.report.words import breakeven_sentence

    first = plan.blocks[0].variant
    base = reference or first.spec
    one_size = all(len(block.channels) == len(block.kernels) == len(plan.grid.batches) == 1 for block in plan.blocks)
    if not one_size:
        return []
    sentences = []
    for block in plan.blocks:
        variant = block.variant
        same = (variant.implementation, variant.mode, variant.dtype) == (
            first.implementation,
            first.mode,
            first.dtype,
        )
        if not same or variant.spec.text == base.text or variant.implementation not in base.mixer.op_lists:
            continue
        (_, (dim, heads, head_dim)), (_, kernel_size) = block.channels[0], block.kernels[0]
        sizes = Workload(plan.grid.batches[0], 1, 1, dim, heads, head_dim, kernel_size)
        against = Variant(base, variant.implementation, variant.mode, variant.dtype)
        found = token_breakevens(variant, against, sizes, ("params", "macs"))
        sentences.append(breakeven_sentence(variant.spec.text, base.text, found, dim, variant.mode))
    return sentences


def _deliver(
    rows: Iterable[Row],
    chosen: str,
    output: str | None,
    where: dict[str, str],
    words: list[str] | None = None,
) -> None:
    from skaprof.cli.run import rendered

    text = rendered(rows, chosen, command_line(), where, words or [], to_terminal=output is None)
    if output is None:
        emit(text)
    else:
        write_whole("--output", output, text)
        say(f"wrote {output}")
