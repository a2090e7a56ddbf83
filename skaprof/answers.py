"""The rows of every question but costs and times, which `skaprof.results` has."""

from __future__ import annotations

from typing import Annotated, Any

from skaprof.counters import SPELLINGS
from skaprof.records import Key, Record
from skaprof.results import CostRow, Sized

WINS = ("always", "never", "equal", "up_to", "from")
"""Where a mixer needs less than the baseline over the tokens; the last two with a count of them."""
BOUNDS = ("compute", "memory", "launch")
"""What a kernel can be bound by."""
OUTCOMES = HOLDS, FAILS, INCONCLUSIVE, NOT_TESTABLE = "holds", "fails", "inconclusive", "not testable here"
"""How a claim can come out."""


class FormulaRow(Record):
    """`skaprof flops --formula`: the closed form of one figure."""

    mixer: str
    implementation: str
    mode: str
    quantity: Annotated[str, Key("Which figure a closed form gives.")]
    formula: Annotated[str, Key("The closed form, to be read by sympy; null where there is none.")]
    text: Annotated[str, Key("The closed form, to be read by people.")]


class BreakEvenRow(Record):
    """Where a mixer needs less than the baseline over the tokens. `wins` of None: not one single range."""

    mixer: str
    baseline: str
    dim: int
    params_wins: Annotated[
        str | None, Key("Where a mixer has fewer parameters than the baseline, over the tokens.", choices=WINS)
    ]
    params_tokens: Annotated[int | None, Key("The last or first such token count.", 1)]
    macs_wins: Annotated[str | None, Key("Where it has fewer MACs.", choices=WINS)]
    macs_tokens: Annotated[int | None, Key("The last or first such token count.", 1)]


class CrossoverRow(Record):
    """`skaprof crossover`: one crossing of two mixers' costs or times along an axis, or one row where there is none.

    Of the sizes, None is that of the axis, and what is not the same for both mixers.
    """

    metric: Annotated[str, Key("Which figure `skaprof compare` compares, null for a whole row; which one crosses.")]
    mixer: str
    baseline: str
    axis: str
    implementation: str
    mode: str
    batch: int
    tokens: int | None
    dim: int | None
    heads: int | None
    head_dim: int | None
    kernel_size: int | None
    patch: Annotated[int | None, Key("Patch size of a resolution.", 1)]
    dtype: str
    device: str | None = None
    timing: str | None = None
    runtime: str | None = None
    precision: str | None = None
    sizes_sampled: Annotated[int | None, Key("At how many sizes both were timed or predicted.", 1)] = None
    sizes_decided: Annotated[int | None, Key("At how many of them it is known which is faster.", 0)] = None
    formula: str | None = None
    crossover: Annotated[
        float | None,
        Key("The size, a real number, at which a mixer and the baseline cost the same; null where they never do."),
    ] = None
    crossover_low: Annotated[
        int | None, Key("Of the sizes sampled between which the faster changes, the smaller.", 1)
    ] = None
    crossover_high: Annotated[int | None, Key("The larger of the two.", 1)] = None
    last_win: Annotated[
        int | None, Key("The largest size below the crossing at which the mixer costs less; null if none.", 1)
    ] = None
    first_win: Annotated[
        int | None, Key("The smallest size above the crossing at which the mixer costs less; null if none.", 1)
    ] = None
    winner_below: Annotated[
        str, Key("Who costs less below the crossing: the mixer's spec, the baseline's, equal or undecided.")
    ]
    winner_above: Annotated[str, Key("Who costs less above it.")]


class _Conditions(Record):
    device: str | None
    timing: str | None
    runtime: str | None = None
    precision: str | None = None


class RooflineRow(_Conditions, Sized):
    """`skaprof roofline`: a mixer against a machine's ceilings."""

    hardware: Annotated[str, Key("The machine whose ceilings these are.")]
    flops: int
    elementwise_flops: int
    moved_bytes: Annotated[int, Key("Activations read and written, and weights, once.", 0)]
    intensity: Annotated[float | None, Key("FLOPs, elementwise ones too, per moved byte.", 0)]
    bound: Annotated[str | None, Key("What takes longest.", choices=BOUNDS)]
    ideal_ms: Annotated[float, Key("At the machine's ceilings, launches free.", 0)]
    predicted_ms: Annotated[float | None, Key("What the calibrated machine will take; of a kernel, at its rates.", 0)]
    predicted_low_ms: Annotated[float | None, Key("Nine in ten calls took no less, as the calibration saw.", 0)] = None
    predicted_high_ms: Annotated[float | None, Key("Nine in ten calls took no more, as the calibration saw.", 0)] = None
    outside_ops: str | None = None
    measured_ms: Annotated[float | None, Key("The median of the results file.", 0)]
    peak_share: Annotated[float | None, Key("Measured FLOP/s over the peak.", 0)]
    ideal_share: Annotated[float | None, Key("ideal_ms / measured_ms.", 0)]
    peak_flop_per_s: Annotated[float | None, Key("The machine's peak in FLOP/s, of the row's dtype or TF32.", 0)] = None
    bandwidth_bytes_per_s: Annotated[float | None, Key("The machine's bandwidth in B/s.", 0)] = None
    ceilings_source: Annotated[str | None, Key("Where the machine's ceilings come from, and when.")] = None


class KernelRow(RooflineRow):
    """`skaprof roofline --per-op`: one kernel of a mixer, an op or a fused group."""

    op: str
    kind: str


class ExplainedRow(_Conditions, Sized):
    """`skaprof explain`: the measured difference of two mixers at a size, in parts that add up to it."""

    baseline: str
    hardware: str
    measured_ms: float
    baseline_ms: Annotated[float, Key("The baseline's median.", 0)]
    difference_ms: Annotated[float, Key("measured_ms - baseline_ms.")]
    decided: Annotated[bool, Key("Whether the difference is larger than the noise.")]
    compute_ms: Annotated[float, Key("Part of the difference: arithmetic.")]
    bandwidth_ms: Annotated[float, Key("Part of the difference: bytes.")]
    kernels_ms: Annotated[
        float, Key("Part of the difference: what kernels of this kind and size take beyond the ceilings.")
    ]
    launch_ms: Annotated[float, Key("Part of the difference: launches.")]
    faults_ms: float
    unexplained_ms: Annotated[float, Key("What the other parts leave.")]


class ExportRow(Record):
    """`skaprof export`: the file that was written, and what it is of."""

    file: Annotated[str, Key("The file that was written.")]
    model: str | None
    image_height: int | None
    image_width: int | None
    input_shape: str | None
    mixer: str | None
    implementation: str
    mode: str
    batch: int
    height: int | None
    width: int | None
    tokens: int | None
    dim: int | None
    heads: int | None
    head_dim: int | None
    kernel_size: int | None
    dtype: str
    params: int | None
    macs: int | None
    opset: Annotated[int, Key("The version of ONNX's operators that the file is written in.", 1)]
    nodes: Annotated[int, Key("Nodes of its graph.", 0)]
    model_bytes: int
    output_error: float
    checked_tokens: int | None
    runtime: str
    runtime_version: str


class ClaimRow(Record):
    """`skaprof check`: how a claim came out; figures of the first size that came out as the whole."""

    name: Annotated[str | None, Key("What the row is called: an item of `skaprof env`, or a claim.")]
    claim: Annotated[str, Key("The claim as written.")]
    outcome: Annotated[str, Key("How the claim came out.", choices=OUTCOMES)]
    expected: Annotated[str, Key("How the file expects it to come out.", choices=OUTCOMES)]
    failed: bool
    left: Annotated[int | float | None, Key("The figure on the comparator's left.")]
    right: Annotated[int | float | None, Key("The figure on its right.")]
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    sizes: Annotated[int | None, Key("Sizes that the claim is about.", 0)]
    sizes_alike: Annotated[int | None, Key("Sizes at which it comes out as it does.", 0)]
    at: Annotated[str | None, Key("The first such size.")]
    device: str | None
    timing: str | None
    reason: str | None
    measure: Annotated[str | None, Key("The command that would measure what is missing.")]
    source: Annotated[str, Key("Where the claim is made.")]
    note: Annotated[str | None, Key("What the file adds; in `skaprof swap`, what a counter does not know.")]
    why: Annotated[str | None, Key("Why it is expected to come out so.")]


class ParetoRow(Record):
    """The report's networks: one with its mixers, and whether it is on the Pareto front."""

    model: str
    mixer: str
    resolution: int
    params: int
    macs: int
    traffic_bytes: int
    params_delta: int
    macs_delta: int
    traffic_bytes_delta: int
    on_front: Annotated[bool, Key("Whether no other network is as good in all and better in one.")]


class EnvironmentRow(Record):
    """`skaprof env`: an item of this machine."""

    name: str
    value: Annotated[str | int | float | None, Key("The value of an item of `skaprof env`.")]


class AuditRow(CostRow):
    """`skaprof audit`: what a counter says of one spelling of a mixer, beside the mixer's closed forms."""

    spelling: Annotated[str, Key("How the mixer is written.", choices=tuple(SPELLINGS))]
    counter: Annotated[str, Key("Whose counter counted.")]
    counter_version: Annotated[str | None, Key("Its version.")]
    counter_unit: Annotated[str, Key("What it calls its unit.")]
    counted: Annotated[float | None, Key("Its count, in that unit.", 0)]
    macs_counted: Annotated[float | None, Key("The same in MACs.", 0)]
    captured: Annotated[float | None, Key("macs_counted / macs.", 0)]
    seconds: Annotated[float | None, Key("How long the count took.", 0)]
    error: str | None
    reversed_against: Annotated[list[str] | None, Key("Spellings that need fewer MACs, and by its word more.")] = None
    counter_params: Annotated[int | None, Key("The parameters that it counted.", 0)] = None
    counter_bytes: Annotated[float | None, Key("The bytes that it gives.", 0)] = None
    memory_figure: Annotated[str | None, Key("The figure of the closed form that those are held against.")] = None
    memory_captured: Annotated[float | None, Key("counter_bytes over that figure.", 0)] = None
    side_effects: Annotated[list[str] | None, Key("What it does beside counting.")] = None
    conventions: Annotated[list[str] | None, Key("What explains its counts: probes of one layer or product.")] = None
    host: str | None = None
    environment: dict[str, Any] | None = None
    reruns: int | None = None


class AbsentCounter(Record):
    """`skaprof audit`: a counter that is not installed; its row has the keys of `AuditRow`, and nothing in the rest."""

    counter: str
    counter_unit: str
    error: str

    def as_dict(self) -> dict[str, Any]:
        """The row's keys and values."""
        return dict.fromkeys(AuditRow.fields) | super().as_dict()


class SwapRow(Record):
    """`skaprof swap`: a submodule that was replaced, or the whole model (scope total)."""

    model: str
    scope: str
    replaced: Annotated[str, Key("The class of the submodule that `skaprof swap` replaced.")]
    mixer: str
    implementation: str
    mode: str
    batch: int
    height: int | None
    width: int | None
    class_tokens: Annotated[int | None, Key("Tokens beside the grid.", 0)]
    tokens: int | None
    dim: int | None
    heads: int | None
    head_dim: int | None
    kernel_size: int | None
    places: Annotated[int | None, Key("In how many places it stands.", 1)]
    calls: Annotated[int | None, Key("In a forward call of the model; MACs are of all.", 1)]
    dtype: str
    params: int | None
    macs: int | None
    flops: int | None
    params_before: Annotated[int | None, Key("What it had before.", 0)]
    macs_before: Annotated[int | None, Key("What it had before.", 0)]
    params_delta: int | None
    macs_delta: int | None
    heads_before: Annotated[int | None, Key("Its heads; null where unknown.", 1)]
    head_dim_before: Annotated[int | None, Key("Their width; null where unknown.", 1)]
    bias_params_before: Annotated[int | None, Key("Of its parameters, the biases.", 0)]
    dropped: Annotated[list[str] | None, Key("Parameters and buffers that the mixer has nothing of the kind of.")]
    dropped_params: Annotated[int | None, Key("How many parameters those are.", 0)]
    skipped: Annotated[list[str] | None, Key("Submodules that stay as they are, and why.")]
    params_counted: int | None
    macs_fvcore: int | None
    macs_torch: int | None
    verified: bool | None
    error: str | None
    note: str | None
