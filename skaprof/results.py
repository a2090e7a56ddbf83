"""The rows of costs and times, and the keys they carry in JSON and CSV: the same words in every command and format.

`skaprof.answers` has the rows of every other question.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from skaprof.flags import FLAGS, STABLE
from skaprof.implementations import TIMINGS
from skaprof.records import Key, Record
from skaprof.workload import DTYPE_BYTES, MODES

SCHEMA_VERSION = 1
FAILURES = ("unsupported", "out-of-memory", "wrong-output", "crashed")
"""The verdicts on what could not be timed."""
VERDICTS = ("baseline", "faster", "slower", "same", "inconclusive", *FAILURES)


class Sized(Record):
    """What a mixer's row is about: the spec as given, and all its sizes."""

    mixer: Annotated[str, Key("The mixer spec as given, such as ska:query=false.")]
    implementation: Annotated[
        str,
        Key("eager, channels-last, sdpa, sdpa-flash, sdpa-efficient, sdpa-cudnn, sdpa-math, tiled, triton or compile."),
    ]
    mode: Annotated[str, Key("train: forward and backward.", choices=MODES)]
    batch: Annotated[int, Key("Batch size.", 1)]
    height: Annotated[int, Key("Rows of the token grid.", 1)]
    width: Annotated[int, Key("Columns of the token grid.", 1)]
    tokens: Annotated[int, Key("height * width, and the class tokens beside it.", 1)]
    dim: Annotated[int, Key("Embedding dim.", 1)]
    heads: Annotated[int | None, Key("Null for a mixer without heads.", 1)]
    head_dim: Annotated[int | None, Key("Null for a mixer without heads.", 1)]
    kernel_size: Annotated[int | None, Key("Null for a mixer without a kernel.", 1)]
    dtype: Annotated[str, Key("Sets the bytes.", choices=tuple(DTYPE_BYTES))]


class Costs(Record):
    """What is computed from op lists. Counts are exact integers; bytes follow from the dtype."""

    params: Annotated[int, Key("Parameters.", 0)]
    macs: Annotated[int, Key("Multiply-adds of linear layers, matrix products and convolutions.", 0)]
    flops: Annotated[int, Key("2 * macs.", 0)]
    elementwise_flops: Annotated[int, Key("All other arithmetic.", 0)]
    weight_bytes: Annotated[int, Key("Bytes of the parameters.", 0)]
    traffic_bytes: Annotated[int, Key("Bytes of activations read and written.", 0)]
    saved_bytes: Annotated[int, Key("Bytes of activations kept for the backward pass; 0 in forward.", 0)]
    peak_bytes: Annotated[
        int | None,
        Key("Most bytes of activations held at once in inference, computed; null in training and where no op runs.", 0),
    ]


class CostRow(Costs, Sized):
    """The cost of one mixer at one size.

    `mixer` is the spec as given; `macs` multiply-adds; `flops` = 2 * macs; `elementwise_flops` all other arithmetic;
    `weight_bytes` the parameters'; `traffic_bytes` the activations' reads and writes; `saved_bytes` the activations
    kept for the backward pass, 0 in forward; `peak_bytes` the most activations held at once in inference, None in
    training and where no op runs; `flops_per_param` = flops / params, None without parameters. heads, head_dim and
    kernel_size are None where the mixer has none.
    """

    flops_per_param: Annotated[float | None, Key("flops / params; null without parameters.", 0)] = None


class _Op(Record):
    op: Annotated[str, Key("The op's name, in rows of one op each.")]
    kind: Annotated[str, Key("The op's primitive.")]


class OpRow(Costs, _Op, Sized):
    """The cost of one op of a mixer; over a mixer they add up to its `CostRow`."""


class ScopeRow(Record):
    """The cost of one part of a backbone: a stage, a block, or all of it.

    The first keys say what the row is about: `scope` is "total", or a path such as "stage3" or "stage3.block1". Sizes
    are those of the tokens there, None where there are several or none; image sizes are in pixels; `implementation` is
    the form asked for, and mixers without it run in eager form. Then the keys of `CostRow`, and:

    `params_share`, `macs_share`, `traffic_bytes_share`: of the whole network's, 0 to 1.
    `params_delta`, `macs_delta`, `traffic_bytes_delta`: less what the backbone with its own mixers has in this scope.
    `mixer_params`, `mixer_macs`, `mixer_traffic_bytes`: what the token mixers in this scope hold.
    `mixer_macs_share`, `mixer_traffic_bytes_share`: that over the whole network's: what a swap here could save at most.
    `key_params`: parameters of static keys, which serve this image size only. `flops_per_param`: flops / params.
    """

    model: Annotated[str, Key("The backbone that the row is about.")]
    scope: Annotated[str, Key("The part of a model that the row is about.")]
    image_height: Annotated[int, Key("The image's height in pixels.", 1)]
    image_width: Annotated[int, Key("The image's width in pixels.", 1)]
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
    params: int
    macs: int
    flops: int
    elementwise_flops: int
    weight_bytes: int
    traffic_bytes: int
    saved_bytes: int
    peak_bytes: int | None
    params_share: Annotated[float, Key("Of the whole network's, 0 to 1.")]
    macs_share: Annotated[float, Key("Of the whole network's, 0 to 1.")]
    traffic_bytes_share: Annotated[float, Key("Of the whole network's, 0 to 1.")]
    params_delta: Annotated[int, Key("Less what the backbone with its own mixers has here.")]
    macs_delta: Annotated[int, Key("Less what the backbone with its own mixers has here.")]
    traffic_bytes_delta: Annotated[int, Key("Less what the backbone with its own mixers has here.")]
    mixer_params: Annotated[int, Key("What the mixers in this scope hold.", 0)]
    mixer_macs: Annotated[int, Key("What the mixers in this scope hold.", 0)]
    mixer_traffic_bytes: Annotated[int, Key("What the mixers in this scope hold.", 0)]
    mixer_macs_share: Annotated[float, Key("That over the whole network's.")]
    mixer_traffic_bytes_share: Annotated[float, Key("That over the whole network's.")]
    key_params: Annotated[int, Key("Parameters of static keys.", 0)]
    flops_per_param: float | None = None


class ProvedScope(ScopeRow):
    """`skaprof model --verify`: a scope's row with what counters say of it."""

    params_counted: int
    macs_fvcore: int | None
    macs_torch: int
    verified: bool


class SwappedScope(ScopeRow):
    """A scope's row in a report, with the swap that it is of."""

    swap: str
    resolution: int | None = None


class ResultRow(Record):
    """A row of costs, of whatever command and however old its file: a mixer's at a size, or part of a backbone's.

    What a command adds is None where it did not: an op, ratios to a baseline, what counters say, where the row stands
    in a report. Of a module of the user's own, figures that no counter knows are None. Times: `skaprof.measured`.
    """

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
    flops: int | None
    elementwise_flops: int | None
    weight_bytes: int | None
    traffic_bytes: int | None
    saved_bytes: int | None = None
    peak_bytes: int | None = None
    flops_per_param: float | None = None
    given: Annotated[str | None, Key("What the user called a whole backbone: the text of --model, and --mixers.")] = (
        None
    )
    model: str | None = None
    image_height: int | None = None
    image_width: int | None = None
    scope: str | None = None
    op: str | None = None
    kind: str | None = None
    arguments: Annotated[str | None, Key("Of a module of your own: what --arg gave it, as typed.")] = None
    layout: Annotated[str | None, Key("How its input lies: BNC, BHWC or BCHW.")] = None
    input_shape: str | None = None
    source_hash: Annotated[
        str | None,
        Key("Of the file that defines a module of your own, or the TOML of a backbone: the start of its SHA-256."),
    ] = None
    section: Annotated[str | None, Key("The section of the report that shows the row.")] = None
    panel: Annotated[str | None, Key("The panel of a figure that shows the row.")] = None
    axis: Annotated[str | None, Key("The key on that panel's axis; the size along which costs cross.")] = None
    swap: Annotated[str | None, Key("The stage and the mixer put into it; empty for none.")] = None
    resolution: Annotated[int | None, Key("Side of a square image, in pixels.", 1)] = None
    baseline: Annotated[str | None, Key("What the ratios are over.")] = None
    params_ratio: Annotated[float | None, Key("Over the baseline's.")] = None
    macs_ratio: Annotated[float | None, Key("Over the baseline's.")] = None
    elementwise_flops_ratio: Annotated[float | None, Key("Over the baseline's.")] = None
    traffic_bytes_ratio: Annotated[float | None, Key("Over the baseline's.")] = None
    params_counted: Annotated[int | None, Key("Parameters of the built module.", 0)] = None
    macs_fvcore: Annotated[int | None, Key("MACs that fvcore counts.", 0)] = None
    macs_torch: Annotated[int | None, Key("MACs that FlopCounterMode counts.", 0)] = None
    verified: Annotated[bool | None, Key("Whether the counters agree with the model.")] = None
    workspace_bytes: Annotated[int | None, Key("Scratch of kernels above peak_bytes, computed.", 0)] = None
    peak_allocated_bytes: Annotated[int | None, Key("Most that PyTorch's allocator gave in such a call.", 0)] = None
    peak_note: Annotated[str | None, Key("How far that is above both, and what has no formula.")] = None
    device: Annotated[str | None, Key("The device's name.")] = None
    timing: Annotated[str | None, Key("How samples were taken.", choices=TIMINGS)] = None
    verdict: Annotated[str | None, Key("Against the baseline, or why nothing was timed.", choices=VERDICTS)] = None
    flags: Annotated[list[str] | None, Key("Conditions of the run; see docs/timing.md.", choices=(STABLE, *FLAGS))] = (
        None
    )
    error: Annotated[str | None, Key("Why there is no figure.")] = None

    @property
    def name(self) -> str:
        """What the row is of, as `name_of` has it."""
        return name_of(self)

    @property
    def form(self) -> str:
        """The form, and where it ran if that is not PyTorch."""
        return ", ".join((self.implementation, *self.elsewhere))

    @property
    def contender(self) -> str:
        """The name and the form, as `baseline` says it."""
        return f"{self.name} ({self.form})"

    @property
    def class_tokens(self) -> int:
        """How many tokens stand beside the grid."""
        return class_tokens_of(self)

    @property
    def image(self) -> str:
        """What a whole model is given: its image, height first, or the inputs of a model of the user's own."""
        own = self.image_height is None or self.image_width is None
        return f"input {self.input_shape}" if own else f"{self.image_height} x {self.image_width}"

    @property
    def place(self) -> tuple[Any, ...]:
        """Its size, mode and dtype: rows of one place differ in mixer and form, and may compete."""
        return values_of(self, PLACE_KEYS)

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """As `skaprof.implementations.elsewhere`: costs are of PyTorch's modules."""
        return ()

    @property
    def session(self) -> tuple[Any, ...]:
        """What rows have alike that may have been timed in the same rounds."""
        return self.place, self.device, self.timing

    @property
    def conditions(self) -> tuple[Any, ...]:
        """Device, timing and runtime: times under others do not compare, unless in the same rounds."""
        return values_of(self, CONDITION_KEYS)


def class_tokens_of(row: Record) -> int:
    """How many of a row's tokens stand beside its grid."""
    tokens, height, width = values_of(row, ("tokens", "height", "width"))
    return 0 if None in (tokens, height, width) else tokens - height * width


def name_of(row: Record) -> str:
    """What a row is of: what the user called it, or its mixer, behind the backbone that holds it where there is one."""
    if (given := getattr(row, "given", None)) is not None:
        return str(given)
    return " ".join(str(value) for value in values_of(row, ("model", "mixer")) if value is not None)


def values_of(row: Record, keys: Sequence[str]) -> tuple[Any, ...]:
    """The row's values of these keys; None of one that it does not have."""
    return tuple(getattr(row, key, None) for key in keys)


SIZE_KEYS = Sized.fields
"""The keys that say what a row is about; the rest are figures."""
METRICS = Costs.fields
"""The computed keys of a row, each derived from the mixer's op list: exact integers."""
FLOPS_PER_PARAM = "flops_per_param"
"""The quotient of two of them."""
SUMMED_METRICS = tuple(key for key in METRICS if key != "peak_bytes")
"""Those that add up over ops."""
PLACE_KEYS = ("mode", "dtype", "batch", "height", "width", "tokens", "dim", "image_height", "image_width")
CONDITION_KEYS = ("device", "timing", "runtime", "precision")
_REPORT_KEYS = ("section", "panel", "swap", "arguments", "layout", "input_shape")
IDENTITY_KEYS = (*SIZE_KEYS, "model", "image_height", "image_width", "scope", "op", *CONDITION_KEYS, *_REPORT_KEYS)
"""What makes two rows the same row, in files of any command.

Not the hash of a module's source: the same module before and after a change is what a comparison is made for.
"""
