"""The parts of a report: each turns its rows into markdown, sentences of findings, and figures.

A section does not know what else is in the report. `SECTIONS` is their order, and what makes the rows of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from skaprof.analysis import report_rows as requests
from skaprof.analysis.report_rows import Contents
from skaprof.answers import (
    AbsentCounter,
    AuditRow,
    BreakEvenRow,
    CrossoverRow,
    FormulaRow,
    ParetoRow,
    RooflineRow,
    SwapRow,
)
from skaprof.fleets import FleetRow
from skaprof.measured import result_row
from skaprof.model.cost import flops_per_param
from skaprof.own_rows import PartRow
from skaprof.published import TradeOffRow
from skaprof.records import Record
from skaprof.report import audit as audited
from skaprof.report import cost_sentences, own_models, worth
from skaprof.report import crossover as crossing
from skaprof.report.devices import each_device
from skaprof.report.fleet import fleet_section
from skaprof.report.formats import escape_markdown
from skaprof.report.markdown import bullets, from_terminal, image, table_of
from skaprof.report.model import difference_sentence, percent, scope_table
from skaprof.report.numbers import si, signed
from skaprof.report.pareto import pareto_figure, pareto_findings, pareto_table
from skaprof.report.roofline_section import roofline_section
from skaprof.report.runtimes import runtimes_section
from skaprof.report.table import cost_table, figure_columns, formula_table
from skaprof.report.timing import heads_section, latency_section, network_section
from skaprof.results import SIZE_KEYS, ResultRow, SwappedScope, values_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[], "Figure"]


class Rendered(NamedTuple):
    """A section's markdown, its findings for the top of the report, and its figures by file name without ending."""

    body: str
    findings: Sequence[str] = ()
    figures: Mapping[str, Draw] = {}


R = TypeVar("R", bound=Record)


class Section(NamedTuple, Generic[R]):
    """A section's heading, what makes its rows from closed forms, and what renders them, read as records of one kind.

    `rows` is None where they are timed or counted: PyTorch makes them. `in_analytic`: --analytic-only has it without
    being asked.
    """

    title: str
    rows: Callable[[Contents], list[dict[str, Any]]] | None
    record: Callable[[Mapping[str, Any]], R]
    view: Callable[[Sequence[R]], Rendered]
    in_analytic: bool = True

    def render(self, rows: Iterable[Mapping[str, Any]]) -> Rendered:
        """The section of these rows, as a results file has them."""
        return self.view([self.record(row) for row in rows])


def figure(name: str, alt: str) -> str:
    """The markdown of one of the section's figures: the PNG, leading to the SVG."""
    return image(f"{name}.png", alt, f"{name}.svg")


def _formulas(rows: Sequence[FormulaRow]) -> Rendered:
    return Rendered(f"{from_terminal(formula_table(rows))}\n{escape_markdown(cost_sentences.SYMBOLS_SENTENCE)}\n")


def _sizes(rows: Sequence[ResultRow]) -> Rendered:
    places = dict.fromkeys(map(_place, rows))
    tables = "".join(_size_table([row for row in rows if _place(row) == place]) for place in places)
    findings = []
    for form in dict.fromkeys(row.implementation for row in rows):
        own = [row for row in rows if row.implementation == form]
        said = cost_sentences.cheapest_sentences(own, cost_sentences.size_groups(own))
        findings += [f"{form}: {sentence}" for sentence in (*said, *cost_sentences.ratio_sentences(own))]
    shown = [column.key for column in figure_columns(rows)]
    note = f"{cost_sentences.convention(shown)} Ratios are over {_name(rows)}'s; bold is lowest at its size.\n"
    return Rendered(f"{tables}{note}", findings)


def _name(rows: Sequence[ResultRow] | Sequence[BreakEvenRow]) -> str:
    """The baseline's."""
    return escape_markdown(str(rows[0].baseline))


def _place(row: ResultRow) -> tuple[Any, ...]:
    return row.height, row.width, row.dim


def _size_table(rows: Sequence[ResultRow]) -> str:
    height, width, dim = _place(rows[0])
    heading = f"### {height} x {width} tokens, dim {dim:,}"
    return f"{heading}\n\n{from_terminal(cost_table(rows, cost_sentences.size_groups(rows)))}\n"


def _break_evens(rows: Sequence[BreakEvenRow]) -> Rendered:
    headers = ("mixer", "dim", "fewer parameters", "fewer MACs")
    cells = [
        (
            row.mixer,
            f"{row.dim:,}",
            *(_range(row.params_wins, row.params_tokens), _range(row.macs_wins, row.macs_tokens)),
        )
        for row in rows
    ]
    note = f"Token counts at which a mixer needs less than {_name(rows)}; heads and kernel at their defaults.\n"
    return Rendered(f"{table_of(headers, cells)}\n{note}")


def _range(wins: str | None, tokens: int | None) -> str:
    return {
        "always": "at every size",
        "never": "never",
        "equal": "never (equal)",
        "up_to": f"up to {tokens or 0:,} tokens",
        "from": f"from {tokens or 0:,} tokens",
        None: "no single range",
    }[wins]


def _figure_4(rows: Sequence[ResultRow]) -> Rendered:
    from skaprof.report.figures import figure_4

    told = [row.replace(flops_per_param=flops_per_param(row.flops, row.params)) for row in rows]  # older rows lack it
    panels = [
        (heading, axis, [row for row in told if row.panel == heading])
        for heading, axis in dict.fromkeys((str(row.panel), str(row.axis)) for row in rows)
    ]

    mixers = ", ".join(dict.fromkeys(row.name for row in rows))
    alt = f"FLOPs per parameter of {mixers}, and its parts: {'; '.join(heading for heading, *_ in panels)}"
    return Rendered(figure("figure4", alt), (), {"figure4": partial(figure_4, panels, parts=True)})


def _backbones(rows: Sequence[SwappedScope]) -> Rendered:
    """Stage tables of the unmodified backbone and of the swaps that have one, then the totals of every swap."""
    totals = [row for row in rows if row.scope == "total"]
    stages = [row for row in rows if row.scope != "total"]
    parts = []
    for swap in dict.fromkeys(row.swap for row in stages):
        own = [row for row in stages if row.swap == swap]
        table = scope_table(own, [row for row in totals if row.swap == swap])
        parts.append(f"### {escape_markdown(_network_name(own[0]))}\n\n{from_terminal(table)}\n")
    changed = [row for row in totals if row.params_delta or row.macs_delta or row.traffic_bytes_delta]
    said = [f"{_network_name(row)} a{difference_sentence(row).removeprefix('A')}" for row in changed]
    heading = "### Each mixer in each stage\n\n"
    findings = [text for text, row in zip(said, changed, strict=True) if row.swap in {row.swap for row in stages}]
    return Rendered(f"{''.join(parts)}{heading}{bullets(said)}", findings)


def _network_name(row: SwappedScope) -> str:
    return f"{row.model} with {row.swap}" if row.swap else str(row.model)


def _scaling(rows: Sequence[SwappedScope]) -> Rendered:
    drawn = [ResultRow.read(row.as_dict() | {"mixer": row.swap}) for row in rows]

    def draw() -> Figure:
        from skaprof.report.plot import cost_figure

        return cost_figure(drawn, ("resolution",), f"{rows[0].model} over the image size")

    headers = ("image", "network", "params", "MACs", "change in params", "change in MACs", "mixers' MACs")
    cells = [
        (
            f"{row.resolution}",
            str(row.swap),
            si(row.params),
            si(row.macs),
            signed(row.params_delta),
            signed(row.macs_delta),
            percent(row.mixer_macs_share),
        )
        for row in rows
    ]
    alt = f"MACs and parameters of {rows[0].model} with {', '.join(dict.fromkeys(str(row.swap) for row in rows))}"
    note = "A static key grows with the number of tokens: each image size is another network.\n"
    return Rendered(f"{figure('scaling', alt)}\n{table_of(headers, cells, 2)}\n{note}", (), {"scaling": draw})


def _pareto(rows: Sequence[ParetoRow]) -> Rendered:
    alt = f"MACs over parameters of {len(rows):,} networks, those on the Pareto front marked"
    body = f"{figure('pareto', alt)}\n{pareto_table(rows)}"
    return Rendered(body, pareto_findings(rows), {"pareto": partial(pareto_figure, rows)})


def _crossovers(rows: Sequence[CrossoverRow]) -> Rendered:
    said, sizes = crossing.crossover_sentences(rows), escape_markdown(crossing.caption(rows))
    return Rendered(f"{sizes}\n\n{from_terminal(crossing.crossover_table(rows))}\n{bullets(said)}")


def _memory(rows: Sequence[ResultRow]) -> Rendered:
    headers = ("mixer", "form", "tokens", "dim", "weights", "peak in inference", "kept for backward")
    but_mode = [key for key in SIZE_KEYS if key != "mode"]
    saved = {values_of(row, but_mode): row.saved_bytes for row in rows if row.mode == "train"}
    cells = [
        (
            row.name,
            row.implementation,
            f"{row.height} x {row.width}",
            f"{row.dim:,}",
            si(row.weight_bytes or 0, "B"),
            "-" if row.peak_bytes is None else si(row.peak_bytes, "B"),
            si(saved[values_of(row, but_mode)] or 0, "B"),
        )
        for row in rows
        if row.mode == "forward"
    ]
    note = "Peak: the most activations held at once; kept for backward: what autograd saves in a forward pass.\n"
    return Rendered(f"{table_of(headers, cells, 2)}\n{note}")


def _roofline(rows: Sequence[RooflineRow]) -> Rendered:
    return Rendered(*roofline_section(rows, figure))


def _audit(rows: Sequence[AuditRow | AbsentCounter]) -> Rendered:
    counted = [row for row in rows if isinstance(row, AuditRow)]
    said = audited.sentences(counted, [row for row in rows if isinstance(row, AbsentCounter)])
    return Rendered(f"{from_terminal(audited.audit_table(counted))}\n{bullets(said)}", said[:1])


def _audited(row: Mapping[str, Any]) -> AuditRow | AbsentCounter:
    return AbsentCounter.read(row) if row["mixer"] is None else AuditRow.read(row)


def _verification(rows: Sequence[ResultRow]) -> Rendered:
    failed = [row for row in rows if not row.verified]
    proof = cost_sentences.proof_sentences(rows)
    lines = [(row.name, row.implementation, row.mode, f"{row.height} x {row.width}", f"{row.dim:,}") for row in failed]
    table = table_of(("mixer", "form", "mode", "tokens", "dim"), lines, 4) if failed else ""
    return Rendered(f"{bullets(proof)}\n{table}", proof[:1])


def _of(section: Callable[..., tuple[Any, ...]], *given: Any) -> Callable[[Sequence[Any]], Rendered]:
    """What a section of another module renders; `given` is `figure` where it draws some."""
    return lambda rows: Rendered(*section(rows, *given))


def _of_times(section: Callable[..., tuple[Any, ...]], *given: Any) -> Callable[[Sequence[Any]], Rendered]:
    """As `_of`, for each device where rows are of several."""
    return _of(partial(each_device, section), *given)


SECTIONS: dict[str, Section[Any]] = {
    "formulas": Section("Closed forms", requests.formulas, FormulaRow.read, _formulas),
    "sizes": Section("Costs at the sizes asked for", requests.sizes, ResultRow.read, _sizes),
    "break-evens": Section("Break-evens over the tokens", requests.break_evens, BreakEvenRow.read, _break_evens),
    "figure-4": Section("FLOPs per parameter over tokens and dim", requests.figure_4, ResultRow.read, _figure_4),
    "backbones": Section("A whole backbone", requests.backbones, SwappedScope.read, _backbones),
    "scaling": Section(
        "A backbone over the image size", requests.scaling, SwappedScope.read, _scaling, in_analytic=False
    ),
    "pareto": Section("Mixers in every stage", requests.pareto, ParetoRow.read, _pareto, in_analytic=False),
    "crossovers": Section("Where costs cross", requests.crossovers, CrossoverRow.read, _crossovers, in_analytic=False),
    "memory": Section("Memory", requests.memory, ResultRow.read, _memory, in_analytic=False),
    "roofline": Section("Roofline", requests.roofline, RooflineRow.read, _roofline, in_analytic=False),
    "models": Section("Your own models", None, PartRow.read, _of(own_models.models_section)),
    "swaps": Section("Other mixers in your own models", None, SwapRow.read, _of(own_models.swaps_section)),
    "audit": Section("What other counters capture", None, _audited, _audit),
    "verification": Section("Verification", None, ResultRow.read, _verification),
    "fleet": Section("Devices side by side", None, FleetRow.read, _of(fleet_section, figure)),
    "latency": Section("Latency", None, result_row, _of_times(latency_section, figure)),
    "runtimes": Section("Other runtimes", None, result_row, _of_times(runtimes_section)),
    "network-latency": Section("Latency of a whole backbone", None, result_row, _of_times(network_section)),
    "accuracy": Section("What the networks are worth", None, TradeOffRow.read, _of(worth.worth_section, figure)),
    "figure-3": Section("Throughput over the number of heads", None, result_row, _of_times(heads_section, figure)),
}
"""Every section by name, in the order of the report."""
