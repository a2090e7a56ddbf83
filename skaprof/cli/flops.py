"""`skaprof flops`: parameters, MACs, FLOPs and bytes of token mixers, from closed forms."""

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skaprof.analysis.plan import Plan
from skaprof.analysis.planned_rows import planned_breakevens, planned_formulas, planned_rows, proved_rows
from skaprof.cli import options as opt
from skaprof.cli import user as own
from skaprof.cli.output import say
from skaprof.cli.show import MOST_TABLE_ROWS, Page, View, environment, show
from skaprof.errors import EXIT_CHECK_FAILED, SkaprofError, shown
from skaprof.model.spec import MixerSpec, parse_mixer
from skaprof.report.formats import SPOKEN_FORMATS
from skaprof.results import OpRow, ResultRow
from skaprof.workload import DEFAULT_DTYPE

if TYPE_CHECKING:
    from skaprof.answers import FormulaRow
    from skaprof.count.verification import Verification

MOST_ROWS = 1_000_000

Row = dict[str, Any]


@opt.with_options
def flops(
    *,
    sizes: opt.Sizes,
    forms: opt.Forms,
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
    users: own.Users,
    to: opt.DrawnCosts,
) -> None:
    """Parameters, MACs, FLOPs and bytes of token mixers at your sizes, from closed forms.

    Every size takes a grid: 256, or 64,128, or 64:1024:64 (both ends in), or 64:4096:*2; several grids make their
    product. 1 MAC is one multiply-add; FLOPs = 2 x MACs; elementwise FLOPs are counted apart.
    """
    chosen = to.require()
    modules = users.modules()
    _require_compatible(
        per_op=per_op, verify=verify, formula=formula, module=bool(modules), baseline=baseline, plot=to.plots
    )
    if formula and "bmf" in chosen:
        raise SkaprofError("--format: 'bmf' is not valid with --formula: expected another, formulas are no figures")
    if formula:
        _require_symbols(sizes)
    own_forms = (forms.dtype or DEFAULT_DTYPE, forms.mode, forms.implementation)
    plan = sizes.plan(*own_forms, class_token_in=not (formula or modules))
    reference = parse_mixer(baseline, "--baseline") if baseline is not None else None
    if reference is not None:
        for implementation in {block.variant.implementation for block in plan.blocks}:
            reference.require_implementation(implementation)
    _require_row_count(plan, chosen)
    if formula:
        formulas = [row.replace(text=_encodable(row.text)) for row in planned_formulas(plan)]
        show(formulas, to, View(lambda: _formula_page(formulas)))
        return
    counted = verify or bool(modules)  # what was counted stands beside what was proved by counting
    proofs: list[Verification] = []
    rows: Iterable[Row] = planned_rows(plan, reference, per_op=per_op)
    if counted:
        rows = _proved(plan, proofs, per_op=per_op, asked=verify)
    if modules:
        rows = own.with_counted(rows, plan, modules)
    if counted or to.plots or not chosen.isdisjoint(SPOKEN_FORMATS):
        rows = list(rows)
    held = rows if isinstance(rows, list) else []
    view = View(
        lambda: _page(held, plan, reference, per_op=per_op),
        lambda ending: _figure(held, plan.swept, ending),
        environment(counters=counted),
    )
    show(rows, to, view)
    if not all(proof.verified for proof in proofs) or any(row["macs"] is None for row in held):
        raise typer.Exit(EXIT_CHECK_FAILED)


def _require_compatible(*, baseline: str | None, plot: Sequence[str], **flags: bool) -> None:
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


def _require_symbols(sizes: opt.Sizes) -> None:
    for option, value in sizes.given("mixer", "class_token", "heads", "head_dim", "kernel_size").items():
        raise SkaprofError(f"{option}: {shown(value)}: a formula keeps this size a symbol: expected no such option")


def _require_row_count(plan: Plan, chosen: frozenset[str]) -> None:
    rows = plan.row_count
    if rows > MOST_ROWS:
        raise SkaprofError(
            f"the sweep has {rows:,} rows: expected at most {MOST_ROWS:,}; "
            "use coarser grids, or skaprof.sweep in Python"
        )
    if rows > MOST_TABLE_ROWS and not chosen.isdisjoint(SPOKEN_FORMATS):
        raise SkaprofError(
            f"the sweep has {rows:,} rows: expected at most {MOST_TABLE_ROWS:,} in a table; use --format csv or json"
        )


def _proved(plan: Plan, proofs: "list[Verification]", *, per_op: bool, asked: bool) -> Iterator[Row]:
    from skaprof.api import load_verify
    from skaprof.cli.progress import progress

    own.say_hidden_mixers()
    planned = progress(plan.rows(), plan.row_count, "verifying")
    return proved_rows(planned, load_verify(), say, proofs, per_op=per_op, asked=asked)


def _encodable(text: str) -> str:
    """The text, exponents as ^2 where stdout cannot show them raised."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        digits = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
        return re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda raised: f"^{raised[0].translate(digits)}", text)
    return text


def _formula_page(rows: "Sequence[FormulaRow]") -> Page:
    from skaprof.model.ops import PRICES
    from skaprof.report.cost_sentences import SYMBOLS_SENTENCE
    from skaprof.report.table import formula_table

    prices = "; ".join(f"{kind} {price.forward} (backward {price.backward})" for kind, price in PRICES.items())
    words = [SYMBOLS_SENTENCE, f"Elementwise FLOPs per element: {prices}."]
    return Page(formula_table(rows) if rows else None, "", words)


def _figure(rows: Sequence[Row], swept: Sequence[str], ending: str) -> bytes:
    from skaprof.report.plot import cost_plot
    from skaprof.report.table import caption

    drawn = list(map(ResultRow.read, rows))
    return cost_plot(drawn, swept, caption(drawn), ending)


def _page(rows: Sequence[Row], plan: Plan, reference: MixerSpec | None, *, per_op: bool) -> Page:
    from skaprof.report import cost_sentences as say_of
    from skaprof.report import table

    if not rows:
        return Page(None, words=["There are no ops: nothing is computed."])
    costs = list(map(ResultRow.read, rows))
    groups = say_of.size_groups(costs)
    words = (
        say_of.op_sentences(list(map(OpRow.read, rows)))
        if per_op
        else say_of.cheapest_sentences(costs, groups) + _breakevens(plan, reference)
    )
    if table.has_proof(costs):
        words += say_of.proof_sentences(costs)
    if any(row.layout is not None for row in costs):
        words += say_of.counted_sentences(costs)
    mark = "lowest at its size" if any(table.lowest_rows(costs, groups).values()) else ""
    return Page(table.cost_table(costs, groups), table.caption(costs), words, mark, say_of.LEGEND)


def _breakevens(plan: Plan, reference: MixerSpec | None) -> list[str]:
    from skaprof.report.cost_sentences import breakeven_sentence

    forms = {(block.variant.mode, block.variant.implementation) for block in plan.blocks}
    return [
        breakeven_sentence(
            variant.spec.text,
            base,
            found,
            dim,
            f"{variant.mode}, {variant.implementation}" if len(forms) > 1 else "",
        )
        for variant, base, dim, found in planned_breakevens(plan, reference)
    ]
