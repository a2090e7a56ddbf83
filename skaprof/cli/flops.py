"""`skaprof flops`: parameters, MACs, FLOPs and bytes of token mixers, from closed forms."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.analysis.costs import cost_row, op_rows, ratios
from skaprof.analysis.plan import Plan, SizeGrid
from skaprof.answers import FormulaRow
from skaprof.cli import options as opt
from skaprof.cli import user as own
from skaprof.cli.output import deliver, draw, require_destinations, say
from skaprof.cli.run import MOST_TABLE_ROWS, command_line, environment, format_of
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, shown
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.report.formats import COST_FORMATS
from skaprof.results import OpRow, ResultRow

if TYPE_CHECKING:
    from skaprof.count import Verification

MOST_ROWS = 1_000_000
_VECTORIZE_FROM = 5_000  # above this, one pass of numpy beats one row at a time even with numpy's import

Row = dict[str, Any]
_PROOF_KEYS = ("params_counted", "macs_fvcore", "macs_torch", "verified")


def flops(
    mixer: opt.Mixers = None,
    tokens: opt.Tokens = None,
    size: opt.Size = None,
    resolution: opt.Resolution = None,
    patch: opt.Patch = None,
    dim: opt.Dim = None,
    batch: opt.Batch = None,
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
    module: own.Module = None,
    arg: own.Argument = None,
    input: own.Input = None,
    format: opt.CostFormat = None,
    output: opt.Output = None,
    plot: opt.Plot = None,
) -> None:
    """Parameters, MACs, FLOPs and bytes of token mixers at your sizes, from closed forms.

    Every size takes a grid: 256, or 64,128, or 64:1024:64 (both ends in), or 64:4096:*2; several grids make their
    product. 1 MAC is one multiply-add; FLOPs = 2 x MACs; elementwise FLOPs are counted apart.
    """
    chosen = format_of(format, output, COST_FORMATS)
    modules = own.user_modules(module, arg, input)
    _require_compatible(
        per_op=per_op, verify=verify, formula=formula, module=bool(modules), baseline=baseline, plot=plot
    )
    asked, verify = verify, verify or bool(modules)  # what was counted stands beside what was proved by counting
    if formula and chosen == "bmf":
        raise SkaprofError("--format: 'bmf' is not valid with --formula: expected another, formulas are no figures")
    if formula:
        _require_symbols(tokens=tokens, size=size, resolution=resolution, patch=patch, dim=dim, batch=batch)
    plan = opt.plan_of(
        mixer, tokens, size, resolution, patch, dim, batch, heads, head_dim, kernel_size, dtype, mode, implementation
    )
    reference = parse_mixer(baseline, "--baseline") if baseline is not None else None
    if reference is not None:
        for implementation_used in {block.variant.implementation for block in plan.blocks}:
            reference.require_implementation(implementation_used)
    require_destinations(output, plot)
    _require_row_count(plan, chosen)
    if formula:
        _deliver(_formula_rows(plan), chosen, output, environment(), _formula_legend())
        return
    proofs: list[Verification] = []
    counted: list[Row] = []
    rows = _proved(plan, proofs, per_op=per_op, asked=asked) if verify else _rows(plan, reference, per_op=per_op)
    if modules:
        _require_forward(plan)
        rows = own.with_counted(rows, list(plan.rows()), modules, counted)
    if verify or plot or chosen == "table":
        rows = list(rows)
    if plot:
        _draw(list(rows), plan.swept, plot)
    words = _words(list(rows), plan, reference, per_op=per_op) if chosen == "table" else []
    _deliver(rows, chosen, output, environment(counters=verify), words)
    if not all(proof.verified for proof in proofs) or any(row["macs"] is None for row in counted):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _require_compatible(*, baseline: str | None, plot: list[str] | None, **flags: bool) -> None:
    given = [f"--{name.replace('_', '-')}" for name, is_set in flags.items() if is_set]
    given += [name for name, value in (("--baseline", baseline), ("--plot", plot)) if value]
    clashes = {
        "--formula": ("--per-op", "--verify", "--baseline", "--plot"),
        "--per-op": ("--baseline", "--plot"),
        "--verify": ("--baseline",),
        "--module": ("--formula", "--per-op", "--baseline"),
    }
    for option, others in clashes.items():
        for other in others:
            if option in given and other in given:
                raise SkaprofError(f"{option} and {other} cannot be combined: expected one of them")


def _require_forward(plan: Plan) -> None:
    """Nothing, where only forward calls are asked for: FlopCounterMode over-counts backward of grouped convolutions."""
    if any(block.variant.mode != "forward" for block in plan.blocks):
        raise SkaprofError("--module: no counter counts the backward of any module rightly: expected --mode forward")


def _require_symbols(**sizes: str | None) -> None:
    for name, value in sizes.items():
        if value is not None:
            raise SkaprofError(f"--{name}: {shown(value)}: a formula keeps this size a symbol: expected no such option")


def _require_row_count(plan: Plan, chosen: str) -> None:
    rows = plan.row_count
    if rows > MOST_ROWS:
        raise SkaprofError(
            f"the sweep has {rows:,} rows: expected at most {MOST_ROWS:,}; "
            "use coarser grids, or skaprof.sweep in Python"
        )
    if rows > MOST_TABLE_ROWS and chosen == "table":
        raise SkaprofError(
            f"the sweep has {rows:,} rows: expected at most {MOST_TABLE_ROWS:,} in a table; use --format csv or json"
        )


def _rows(plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> Iterable[Row]:
    if not per_op and reference is None and plan.row_count > _VECTORIZE_FROM:
        from skaprof.analysis.columns import sweep_rows

        return sweep_rows(plan)
    return _rows_one_by_one(plan, reference, per_op=per_op)


def _rows_one_by_one(plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> Iterator[Row]:
    for planned in plan.rows():
        if per_op:
            yield from (row.as_dict() for row in op_rows(planned.variant, planned.workload))
            continue
        row = cost_row(planned.variant, planned.workload).as_dict()
        if reference is not None:
            baseline = cost_row(*plan.counterpart(planned, reference)).as_dict()
            row |= {"baseline": reference.text, **ratios(row, baseline)}
        yield row


def _proved(plan: Plan, proofs: list[Verification], *, per_op: bool, asked: bool) -> Iterator[Row]:
    """The rows with what the counters say; differences go to stderr, op by op, as they are found.

    Where no proof was `asked` for, a row that is beyond the counters has none.
    """
    from skaprof.api import load_verify
    from skaprof.cli.progress import progress

    own.say_hidden_mixers()
    prove = load_verify()
    for variant, workload, *_ in progress(plan.rows(), plan.row_count, "verifying"):
        try:
            proof = prove(variant, workload)
        except SkaprofError as error:
            if asked:
                raise
            say(f"not proved: {error.message.removeprefix('--verify: ')}")
            yield cost_row(variant, workload).as_dict() | dict.fromkeys(_PROOF_KEYS)
            continue
        proofs.append(proof)
        for difference in proof.differences:
            say(f"{variant.spec.text}, {workload.tokens} tokens, dim {workload.dim}, {variant.mode}: {difference}")
        if per_op:
            for row in op_rows(variant, workload):
                yield row.as_dict() | proof.of_op(row.op)
        else:
            yield cost_row(variant, workload).as_dict() | proof.as_dict()


def _formula_rows(plan: Plan) -> list[FormulaRow]:
    from skaprof.analysis.symbolic import formula_rows

    rows: list[FormulaRow] = []
    for variant in (block.variant for block in plan.blocks):
        spec = _with_given_sizes(variant.spec, plan.grid)
        for row in formula_rows(spec, variant.implementation, variant.mode):
            rows.append(row.replace(mixer=variant.spec.text, text=_encodable(row.text)))
    return rows


def _with_given_sizes(spec: MixerSpec, grid: SizeGrid) -> MixerSpec:
    """The spec with the one value of --heads, --head-dim and --kernel-size, where it has the axis and no own choice.

    Raises:
        SkaprofError: several values: a formula is of one.
    """
    sizes = {"heads": grid.heads, "head_dim": grid.head_dims, "kernel_size": grid.kernel_sizes}
    for name, values in sizes.items():
        if len(values) > 1:
            raise SkaprofError(f"--{name.replace('_', '-')}: {len(values)} values with --formula: expected one")
    has_heads, has_kernel = spec.mixer.has_heads, spec.mixer.kernel_size is not None
    applies = {"heads": has_heads, "head_dim": has_heads, "kernel_size": has_kernel}
    for name, values in sizes.items():
        if values and applies[name] and getattr(spec, name) is None:
            spec = spec._replace(**{name: values[0]})  # type: ignore[arg-type]  # the names are the three above
    return spec


def _encodable(text: str) -> str:
    """The text, exponents as ^2 where stdout cannot show them raised."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
        return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda raised: f"^{raised[0].translate(digits)}", text)
    return text


def _formula_legend() -> list[str]:
    from skaprof.model.ops import PRICES
    from skaprof.report.cost_sentences import SYMBOLS_SENTENCE

    prices = "; ".join(f"{kind} {price.forward} (backward {price.backward})" for kind, price in PRICES.items())
    return [SYMBOLS_SENTENCE, f"Elementwise FLOPs per element: {prices}."]


def _draw(rows: list[Row], swept: Sequence[str], paths: list[str]) -> None:
    from skaprof.report.plot import cost_plot
    from skaprof.report.table import caption

    drawn = list(map(ResultRow.read, rows))
    draw(paths, lambda suffix: cost_plot(drawn, swept, caption(drawn), suffix))


def _words(rows: list[Row], plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> list[str]:
    """The sentences below the table."""
    from skaprof.report import cost_sentences
    from skaprof.report.table import figure_columns, has_proof

    if not rows:
        return ["There are no ops: nothing is computed."]
    costs = list(map(ResultRow.read, rows))
    if per_op:
        found = cost_sentences.op_sentences(list(map(OpRow.read, rows)))
    else:
        groups = cost_sentences.size_groups(costs)
        found = cost_sentences.cheapest_sentences(costs, groups) + _breakevens(plan, reference)
    if has_proof(costs):
        found += cost_sentences.proof_sentences([row for row in costs if row.traffic_bytes is not None])
    if any(row.layout is not None for row in costs):
        found += cost_sentences.counted_sentences(costs)
    return [*found, cost_sentences.convention([column.key for column in figure_columns(costs)])]


def _breakevens(plan: Plan, reference: MixerSpec | None) -> list[str]:
    """Each mixer's break-even with the baseline over the tokens, by mode and form, where all other sizes are one."""
    from skaprof.analysis.breakeven import token_breakevens
    from skaprof.report.cost_sentences import breakeven_sentence

    grid = plan.grid
    others = (grid.batches, grid.dims, grid.heads, grid.head_dims, grid.kernel_sizes)
    if any(len(values) > 1 for values in others):
        return []
    base = reference or plan.blocks[0].variant.spec
    forms = {(block.variant.mode, block.variant.implementation) for block in plan.blocks}
    told: dict[tuple[str, str, str], str] = {}
    for planned in islice(plan.rows(), len(plan.blocks)):  # one size, every variant
        variant = planned.variant
        key = (variant.spec.text, variant.mode, variant.implementation)
        if variant.spec.text == base.text or key in told:
            continue
        ours, theirs = (variant, planned.workload), plan.counterpart(planned, base)
        found = token_breakevens(ours, theirs, ("params", "macs"))
        form = f"{variant.mode}, {variant.implementation}" if len(forms) > 1 else ""
        told[key] = breakeven_sentence(variant.spec.text, base.text, found, planned.workload.dim, form)
    return list(told.values())


def _deliver(
    rows: Iterable[Row | FormulaRow],
    chosen: str,
    output: str | None,
    where: dict[str, str],
    words: list[str] | None = None,
) -> None:
    from skaprof.cli.run import rendered

    text = rendered(rows, chosen, command_line(), where, words or [], to_terminal=output is None)
    deliver(text, output)
