"""The rows of a report's devices side by side."""

from __future__ import annotations

from typing import Annotated

from skaprof.records import Key, Record


class FleetRow(Record):
    """`skaprof report` of several devices: a mixer or a network against the baseline's same form, on one of them.

    What was measured is None where the device has no such row, or only one of the two; what is predicted, where no
    calibration of the device is there. `verdict` is None without times.
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
    given: str | None
    model: str | None
    image_height: int | None
    image_width: int | None
    input_shape: str | None
    runtime: str | None
    precision: str | None
    device: str
    timing: str
    baseline: str
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    verdict: str | None
    flags: list[str] | None
    measured_ms: float | None
    baseline_ms: float | None
    hardware: str | None
    predicted_ms: float | None
    predicted_baseline_ms: Annotated[float | None, Key("As predicted_ms, of the baseline.", 0)]
    predicted_ratio: Annotated[float | None, Key("The predicted time over the baseline's.", 0)]
