"""The rows of `skaprof accuracy import`: accuracies that others measured, beside exact costs."""

from __future__ import annotations

from typing import Annotated

from skaprof.records import Key, Record


class ImportedRow(Record):
    """`skaprof accuracy import`: the accuracy that a file has for a model, and the costs of the network that it is.

    Figures of the network are None where no network of that name is known here, or `params_published` says that it is
    another; `note` says so. Costs are of one image, forward, float32, op by op; `saved_bytes` of training.
    """

    model: str
    network: Annotated[str | None, Key("The backbone that a model of a file is; null where it is none known here.")]
    mixers: str | None
    data: str | None
    accuracy: float | None
    source: str
    measured_here: Annotated[bool, Key("Whether this program measured the accuracy; false of all that is imported.")]
    image_height: int | None
    image_width: int | None
    params: int | None
    params_published: Annotated[float | None, Key("Parameters in millions, as the file has them.", 0)]
    macs: int | None
    peak_bytes: int | None
    saved_bytes: int | None
    note: str | None


class TradeOffRow(Record):
    """`skaprof accuracy tradeoff`: what a network is worth beside what it costs, one row a network, data and recipe.

    Measured here, the accuracy is the mean over seeds with its 95 % interval (a t interval, None with one seed);
    imported, it is as published, with its `source`. Costs are of one image, forward, float32, op by op; `saved_bytes`
    of training. Times are those of the fastest form measured at the smallest batch, or predicted.
    """

    model: str
    mixers: str | None
    data: str | None
    recipe_hash: str | None
    measured_here: bool
    source: str | None
    seeds: int | None
    accuracy: float
    accuracy_low: Annotated[
        float | None, Key("Lower bound of the 95 % interval of the mean over seeds, cut off at 0 and 1.")
    ]
    accuracy_high: Annotated[float | None, Key("Its upper bound.")]
    is_control: bool | None
    image_height: int | None
    image_width: int | None
    params: int
    macs: int
    peak_bytes: int | None
    saved_bytes: int | None
    implementation: str | None
    batch: int | None
    device: str | None
    median_ms: float | None
    ci_low_ms: float | None
    ci_high_ms: float | None
    hardware: str | None
    predicted_ms: float | None
    unbeaten: Annotated[
        bool, Key("Whether no other network of the same data is as good in accuracy and all figures, better in one.")
    ]
