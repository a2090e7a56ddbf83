"""Rows of models of the user's own, part by part."""

from __future__ import annotations

from typing import Annotated

from skaprof.records import Key, Record


class PartRow(Record):
    """`skaprof model FILE.py:NAME`: a submodule with all that is in it, or the whole model (scope "").

    The keys of a backbone's rows, null where a model of the user's own has no such thing, and a few of its own. A
    figure is null where it is not known, and `error` says why (not of elementwise FLOPs). Parameters that stand in
    several places count once in each row that holds one; `shared_params` are those of this part that are elsewhere
    too.

    Bytes of activations are the part's that moves, keeps or made them. `peak_bytes` is what this part had made of what
    the whole model held at the moment when that was most: so parts, and what holds them besides, add up to the whole.
    """

    model: str
    scope: str
    class_name: Annotated[str, Key("The class of a submodule.")]
    output_shape: Annotated[
        str | None,
        Key("The shapes of what it gives at its first call, such as 1x197x768; null where it is not called."),
    ]
    image_height: int | None
    image_width: int | None
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
    saved_bytes: int | None
    peak_bytes: int | None
    params_share: float | None
    macs_share: float | None
    traffic_bytes_share: float | None
    saved_bytes_share: Annotated[float | None, Key("Of the whole network's, 0 to 1.")]
    peak_bytes_share: Annotated[float | None, Key("Of the whole network's, 0 to 1.")]
    params_delta: int | None
    macs_delta: int | None
    traffic_bytes_delta: int | None
    mixer_params: int | None
    mixer_macs: int | None
    mixer_traffic_bytes: int | None
    mixer_macs_share: float | None
    mixer_traffic_bytes_share: float | None
    key_params: int | None
    flops_per_param: float | None
    shared_params: Annotated[int, Key("Of its parameters, those that stand elsewhere too.", 0)]
    arguments: str
    input_shape: Annotated[
        str, Key("What a model of your own is called with: 1x3x224x224, or the path of the function that gives it.")
    ]
    source_hash: str | None
    error: str | None


class ProvedPart(PartRow):
    """`skaprof model FILE.py:NAME --verify`: as `PartRow`, and of the whole model what counters say."""

    params_counted: int | None
    macs_fvcore: int | None
    macs_torch: int | None
    verified: bool | None
    note: str | None


class TradeRow(Record):
    """`skaprof model --latency`, `skaprof swap --latency`: one figure of a whole model before and after other mixers.

    Saved bytes are of training; the others are of a forward call. A latency has its interval, its verdict, and the
    interval of its ratio.
    """

    model: str
    mixer: str
    trade: Annotated[
        str,
        Key(
            "A figure before and after other mixers.",
            choices=("params", "macs", "weight_bytes", "traffic_bytes", "peak_bytes", "saved_bytes", "median_ms"),
        ),
    ]
    implementation: str
    before: Annotated[int | float | None, Key("With the mixers of its own.")]
    after: Annotated[int | float | None, Key("With the others.")]
    before_low: Annotated[float | None, Key("Of a latency, its interval.")] = None
    before_high: Annotated[float | None, Key("Of a latency, its interval.")] = None
    after_low: Annotated[float | None, Key("Of a latency, its interval.")] = None
    after_high: Annotated[float | None, Key("Of a latency, its interval.")] = None
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    verdict: str | None = None
    rounds: int | None = None
    device: str | None = None
    clock: str | None = None
    threads: int | None = None
    flags: list[str] | None = None
    error: str | None = None
