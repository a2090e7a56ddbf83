"""The rows of `skaprof compare`."""

from __future__ import annotations

from typing import Annotated

from skaprof.records import Key, Record

COUNT_CHANGES, TIME_CHANGES = ("same", "more", "less"), ("faster", "slower", "overlapping", "undecided")
CHANGES = (*COUNT_CHANGES, *TIME_CHANGES, "lost", "gained", "missing", "added")


class ChangeRow(Record):
    """`skaprof compare`: one figure of one row in both files; the first keys are `skaprof.results.IDENTITY_KEYS`."""

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
    model: str | None
    image_height: int | None
    image_width: int | None
    scope: str | None
    op: str | None
    device: str | None
    timing: str | None
    runtime: str | None = None
    precision: str | None = None
    section: str | None
    panel: str | None
    swap: str | None
    arguments: str | None
    layout: str | None
    input_shape: str | None
    metric: str | None
    change: Annotated[str, Key("What `skaprof compare` found.", choices=CHANGES)]
    old: Annotated[int | float | None, Key("The first file's figure.")]
    new: Annotated[int | float | None, Key("The second file's figure.")]
    change_percent: Annotated[float | None, Key("100 * (new - old) / old.")]
    old_low: Annotated[float | None, Key("The old figure's interval, widened by its file's A/A control.")]
    old_high: Annotated[float | None, Key("Its upper bound.")]
    new_low: Annotated[float | None, Key("The new figure's interval, widened by its file's A/A control.")]
    new_high: Annotated[float | None, Key("Its upper bound.")]
    failed: Annotated[bool, Key("Whether --fail-on or --strict makes this row a failure.")]
    reason: Annotated[str | None, Key("Why, in words.")]
